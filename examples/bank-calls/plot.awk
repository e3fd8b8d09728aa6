# Draws frontier.csv as an SVG: share of calls made (across) against share of acceptances kept (up).
#
#   awk -f plot.awk frontier.csv > frontier.svg

BEGIN {
    FS = ","
    left = 70; top = 30; width = 560; height = 420
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 660 520\" font-family=\"system-ui, sans-serif\" font-size=\"13\">"
    print "<title>Acceptances kept against calls made</title>"
    print "<rect width=\"660\" height=\"520\" fill=\"#ffffff\"/>"
    rect(0, 1, 0.60, 0.84, "#e8f3ea")
    for (i = 0; i <= 10; i += 2) grid(i / 10)
    text(x(0.5), top + height + 42, "middle", "#333", "share of the calls made")
    printf "<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\" fill=\"#333\">share of the acceptances kept</text>\n", y(0.5)
    text(x(0.01), y(0.965), "start", "#4d8058", "wanted: ≤ 60 % of calls, ≥ 84 % kept")
}

NR > 1 {
    count[$1]++
    across[$1, count[$1]] = $4
    up[$1, count[$1]] = $6
    label[$1, count[$1]] = $2
}

END {
    line("limit", "#9a9a9a", "5 4")
    line("rules", "#0b6e99", "none")
    for (i = 1; i <= count["limit"]; i++) {
        dot("limit", i, "#9a9a9a", 4)
        if (label["limit", i] ~ /^[1235]$/) text(x(across["limit", i]) + 8, y(up["limit", i]) + 16, "start", "#777", label["limit", i] (label["limit", i] == 1 ? " call" : " calls"))
    }
    for (i = 1; i <= count["rules"]; i++) {
        chosen = label["rules", i] == 15
        dot("rules", i, chosen ? "#c4452d" : "#0b6e99", chosen ? 6 : 3.5)
        if (chosen) text(x(across["rules", i]) - 12, y(up["rules", i]) - 4, "end", "#c4452d", "the rules as they are")
    }
    text(x(0.23), y(0.63), "end", "#0b6e99", "the rules")
    text(x(0.52), y(0.62), "start", "#777", "a fixed limit for everybody")
    print "</svg>"
}

function x(share) { return left + share * width }
function y(share) { return top + (1 - share) * height }

function text(at_x, at_y, anchor, colour, words) {
    printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"%s\">%s</text>\n", at_x, at_y, anchor, colour, words
}

function rect(from_x, from_y, to_x, to_y, colour) {
    printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", x(from_x), y(from_y), x(to_x) - x(from_x), y(to_y) - y(from_y), colour
}

function grid(share) {
    printf "<path d=\"M%.1f %.1fH%.1fM%.1f %.1fV%.1f\" stroke=\"#dddddd\"/>\n", x(0), y(share), x(1), x(share), y(0), y(1)
    text(x(share), y(0) + 20, "middle", "#555", share * 100 " %")
    text(x(0) - 8, y(share) + 4, "end", "#555", share * 100 " %")
}

function line(name, colour, dashes,   i, path) {
    for (i = 1; i <= count[name]; i++) path = path (i == 1 ? "M" : "L") sprintf("%.1f %.1f", x(across[name, i]), y(up[name, i]))
    printf "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\"/>\n", path, colour, dashes
}

function dot(name, i, colour, radius) {
    printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%s\" fill=\"%s\"><title>%s: %.1f %% of the calls, %.1f %% of the acceptances</title></circle>\n", x(across[name, i]), y(up[name, i]), radius, colour, name " " label[name, i], across[name, i] * 100, up[name, i] * 100
}
