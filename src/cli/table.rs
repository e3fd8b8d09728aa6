//! Tables that fit a terminal of 80 columns.

use comfy_table::{ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, presets};

/// A plain table with a header, and lines between its rows.
pub(super) fn table(header: &[&str]) -> Table {
    styled(header, presets::UTF8_HORIZONTAL_ONLY)
}

/// A table of many short rows, without lines between them.
pub(super) fn list(header: &[&str]) -> Table {
    styled(header, TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')))
}

/// As [`list`]; the first columns have ids and moments, which are never broken.
pub(super) fn whole(header: &[&str], count: usize) -> Table {
    let mut table = list(header);
    for column in table.column_iter_mut().take(count) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    table
}

fn styled(header: &[&str], style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(80);
    }
    table.set_header(header.to_vec());
    table
}
