package tactful_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"tactful.dev/tactful"
	"tactful.dev/tactful/tactfulv1"
)

func TestTokenAndTLS(t *testing.T) {
	cert, key := writeCertificate(t)
	tokens := filepath.Join(t.TempDir(), "tokens.toml")
	token := newToken(t, tokens, "--scope", "decide", "--scope", "read")
	address := "https://" + serve(t, "--tls-cert", cert, "--tls-key", key, "--tokens", tokens)
	patient := tactful.WithTimeout(patience)
	question := tactful.Question{CustomerID: "anna", Channel: "web", Timeout: patience}
	ctx := t.Context()

	client := connect(t, address, tactful.WithToken(token), tactful.WithCAFile(cert), patient)
	caller, err := client.Ready(ctx)
	must(t, err)
	equal(t, caller.GetName(), "test")
	decision, err := client.Decide(ctx, question)
	must(t, err)
	equal(t, decision.Local, false)
	_, err = client.SetAttributes(ctx, "anna", tactful.Facts{"customer.age": 34})
	failed(t, err, codes.PermissionDenied, "SCOPE_MISSING")
	_, err = tactfulv1.NewDecisionServiceClient(client.Conn()).ListDecisions(ctx, &tactfulv1.ListDecisionsRequest{CustomerId: "anna"})
	must(t, err)

	_, err = connect(t, address, tactful.WithCAFile(cert)).Decide(ctx, question)
	failed(t, err, codes.Unauthenticated, "TOKEN_MISSING")

	next := []string{"tct_wrong", token}
	source := func(context.Context) (string, error) {
		now := next[0]
		next = next[1:]
		return now, nil
	}
	changing := connect(t, address, tactful.WithTokenSource(source), tactful.WithCAFile(cert), patient)
	_, err = changing.Ready(ctx)
	failed(t, err, codes.Unauthenticated, "TOKEN_INVALID")
	_, err = changing.Ready(ctx)
	must(t, err)

	other, _ := writeCertificate(t)
	_, err = connect(t, address, tactful.WithToken(token), tactful.WithCAFile(other), tactful.WithTimeout(2*time.Second)).Ready(ctx)
	failed(t, err, codes.Unavailable, "")
}

func TestAnAddressHasASchemeAndAHost(t *testing.T) {
	for _, address := range []string{"127.0.0.1:50051", "localhost:50051", "ftp://a", "https://", "http://a/path"} {
		if _, err := tactful.New(address); err == nil {
			t.Errorf("%s is taken", address)
		}
	}
	cert, _ := writeCertificate(t)
	if _, err := tactful.New("http://127.0.0.1:50051", tactful.WithCAFile(cert)); err == nil {
		t.Error("certificates are taken without TLS")
	}
}

// writeCertificate makes a certificate for 127.0.0.1 that is its own authority, and its key.
func writeCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: "tactful test"},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(secret)
	must(t, err)
	folder := t.TempDir()
	cert, key = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	must(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	return cert, key
}
