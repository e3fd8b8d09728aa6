package tactful_test

import (
	"archive/zip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The module as a proxy serves it, in an empty project, without a network: the code of the README runs there.
func TestReadme(t *testing.T) {
	server := serve(t)
	folder := t.TempDir()
	proxy := filepath.Join(folder, "proxy")
	publish(t, filepath.Join(proxy, "tactful.dev/tactful/@v"))
	project := filepath.Join(folder, "project")
	must(t, os.Mkdir(project, 0o700))

	readme, err := os.ReadFile("README.md")
	must(t, err)
	text := strings.ReplaceAll(string(readme), "http://127.0.0.1:50051", "http://"+server)
	var parts []string
	for _, found := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(text, -1) {
		parts = append(parts, found[1])
	}
	others := `package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"tactful.dev/tactful"
	"tactful.dev/tactful/tactfulv1"
)

func others(ctx context.Context, client *tactful.Client, decision *tactful.Decision) error {
` + strings.Join(parts[1:], "\n") + "}\n"
	must(t, os.WriteFile(filepath.Join(project, "main.go"), []byte(parts[0]), 0o600))
	must(t, os.WriteFile(filepath.Join(project, "others.go"), []byte(others), 0o600))

	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	must(t, err)
	downloaded := filepath.Join(strings.TrimSpace(string(cache)), "cache/download")
	run := func(arguments ...string) string {
		t.Helper()
		command := exec.Command("go", arguments...)
		command.Dir = project
		command.Env = append(os.Environ(), "GOPROXY=file://"+proxy+",file://"+downloaded, "GOSUMDB=off", "GOTOOLCHAIN=local",
			"GOFLAGS=-mod=mod -modcacherw", "GOMODCACHE="+filepath.Join(folder, "modules"))
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("go %v: %v\n%s", arguments, err, output)
		}
		return string(output)
	}
	run("mod", "init", "example.com/shop")
	run("get", "tactful.dev/tactful@v0.1.0")
	run("build", "-o", "shop", ".")
	run("vet", ".")
	printed, err := exec.Command(filepath.Join(project, "shop")).CombinedOutput()
	must(t, err)
	equal(t, string(printed), `speed-test: Measure your line now: half a minute, and nothing is kept.
may be used: true
UNKNOWN_CHANNEL InvalidArgument channel
decisions: 1
`)
}

// publish writes the module as a proxy has it.
func publish(t *testing.T, folder string) {
	t.Helper()
	must(t, os.MkdirAll(folder, 0o700))
	mod, err := os.ReadFile("go.mod")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(folder, "list"), []byte("v0.1.0\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(folder, "v0.1.0.info"), []byte(`{"Version":"v0.1.0","Time":"2026-01-01T00:00:00Z"}`), 0o600))
	must(t, os.WriteFile(filepath.Join(folder, "v0.1.0.mod"), mod, 0o600))
	packed, err := os.Create(filepath.Join(folder, "v0.1.0.zip"))
	must(t, err)
	archive := zip.NewWriter(packed)
	for _, pattern := range []string{"go.mod", "go.sum", "README.md", "*.go", "tactfulv1/*.go"} {
		files, err := filepath.Glob(pattern)
		must(t, err)
		for _, file := range files {
			content, err := os.ReadFile(file)
			must(t, err)
			entry, err := archive.Create("tactful.dev/tactful@v0.1.0/" + filepath.ToSlash(file))
			must(t, err)
			_, err = entry.Write(content)
			must(t, err)
		}
	}
	must(t, archive.Close())
	must(t, packed.Close())
}
