package tactful_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tactful.dev/tactful"
)

const (
	root     = "../.."
	patience = 30 * time.Second
)

var speed = tactful.Facts{"topic": "speed", "activity": "browsing"}

// program is the server's program; tests without one are skipped.
func program(t *testing.T) string {
	t.Helper()
	path := os.Getenv("TACTFUL")
	if path == "" {
		t.Skip("TACTFUL=PATH names no server: run ./check")
	}
	return path
}

// serve starts a server with the sample rules, and returns its address without a scheme.
func serve(t *testing.T, options ...string) string {
	t.Helper()
	folder := t.TempDir()
	arguments := append([]string{"serve", "--rules", filepath.Join(root, "rules"), "--data", filepath.Join(folder, "data"),
		"--listen", "127.0.0.1:0"}, options...)
	server := exec.Command(program(t), arguments...)
	var log bytes.Buffer
	server.Stderr = &log
	output, err := server.StdoutPipe()
	must(t, err)
	must(t, server.Start())
	t.Cleanup(func() {
		must(t, server.Process.Signal(syscall.SIGTERM))
		_ = server.Wait()
	})
	listening := regexp.MustCompile(`^listening +(127\.0\.0\.1:\d+)`)
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if found := listening.FindStringSubmatch(lines.Text()); found != nil {
			// What else it prints must not fill the pipe.
			go func() { _, _ = io.Copy(io.Discard, output) }()
			return found[1]
		}
	}
	t.Fatalf("the server does not listen: %s", log.String())
	return ""
}

func newToken(t *testing.T, file string, options ...string) string {
	t.Helper()
	arguments := append([]string{"token", "new", "--tokens", file, "--name", "test"}, options...)
	printed, err := exec.Command(program(t), arguments...).Output()
	must(t, err)
	return regexp.MustCompile(`tct_\S+`).FindString(string(printed))
}

func connect(t *testing.T, address string, options ...tactful.Option) *tactful.Client {
	t.Helper()
	client, err := tactful.New(address, options...)
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// proxy forwards connections to a server. It cuts the first connections in the place of an answer's headers; if it is
// silent, it keeps all answers to itself.
type proxy struct {
	address     string
	cuts        atomic.Int32
	silent      bool
	connections atomic.Int32
}

func startProxy(t *testing.T, server string, cuts int32, silent bool) *proxy {
	t.Helper()
	listener := listen(t)
	p := &proxy{address: listener.Addr().String(), silent: silent}
	p.cuts.Store(cuts)
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.connections.Add(1)
			upstream, err := net.Dial("tcp", server)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() {
				_, _ = io.Copy(upstream, client)
				_ = upstream.Close()
			}()
			go p.answers(upstream, client)
		}
	}()
	return p
}

// answers forwards frames of HTTP/2: three bytes of length, one of kind, five others, and the content.
func (p *proxy) answers(server, client net.Conn) {
	const data, headers = 0, 1
	defer func() { _ = server.Close(); _ = client.Close() }()
	reader := bufio.NewReader(server)
	head := make([]byte, 9)
	for {
		if _, err := io.ReadFull(reader, head); err != nil {
			return
		}
		content := make([]byte, binary24(head))
		if _, err := io.ReadFull(reader, content); err != nil {
			return
		}
		kind := head[3]
		if kind == headers && p.cuts.Add(-1) >= 0 {
			return
		}
		if p.silent && (kind == headers || kind == data) {
			continue
		}
		if _, err := client.Write(append(bytes.Clone(head), content...)); err != nil {
			return
		}
	}
}

func binary24(head []byte) uint32 {
	return binary.BigEndian.Uint32([]byte{0, head[0], head[1], head[2]})
}

// listen opens a port that nobody answers at.
func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, seen, expected T) {
	t.Helper()
	if seen != expected {
		t.Errorf("%v, not %v", seen, expected)
	}
}
