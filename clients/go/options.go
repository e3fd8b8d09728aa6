package tactful

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// An Option changes how [New] makes a client.
type Option func(*options) error

type options struct {
	token         func(context.Context) (string, error)
	tls           *tls.Config
	needsTLS      bool
	decideTimeout time.Duration
	timeout       time.Duration
	dial          []grpc.DialOption
}

// WithToken sends a token with each call.
func WithToken(token string) Option {
	return WithTokenSource(func(context.Context) (string, error) { return token, nil })
}

// WithTokenSource asks for the token with each call.
func WithTokenSource(source func(context.Context) (string, error)) Option {
	return func(o *options) error {
		o.token = source
		return nil
	}
}

// WithCAFile trusts the authorities in a PEM file, and no others.
func WithCAFile(path string) Option {
	return func(o *options) error {
		pem, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("reading the authorities: %w", err)
		}
		o.tls.RootCAs = x509.NewCertPool()
		if !o.tls.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("`%s` has no certificate in PEM", path)
		}
		o.needsTLS = true
		return nil
	}
}

// WithCertificateFiles sends the client's own certificate; certificate and key are PEM files.
func WithCertificateFiles(certificate, key string) Option {
	return func(o *options) error {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return fmt.Errorf("reading the client's certificate: %w", err)
		}
		o.tls.Certificates = []tls.Certificate{pair}
		o.needsTLS = true
		return nil
	}
}

// WithDecideTimeout sets how long [Client.Decide] may take, retries included; 300 ms if not set. A context with an earlier
// deadline shortens it.
func WithDecideTimeout(timeout time.Duration) Option {
	return func(o *options) error {
		o.decideTimeout = timeout
		return nil
	}
}

// WithTimeout sets how long any other call may take, retries included; 5 s if not set. A context with an earlier deadline
// shortens it.
func WithTimeout(timeout time.Duration) Option {
	return func(o *options) error {
		o.timeout = timeout
		return nil
	}
}

// WithDialOptions adds options of gRPC, such as interceptors or statistics.
func WithDialOptions(dial ...grpc.DialOption) Option {
	return func(o *options) error {
		o.dial = append(o.dial, dial...)
		return nil
	}
}

// target reads an address such as https://tactful.example:50051, and completes the options of gRPC.
func (o *options) target(address string) (string, error) {
	at, err := url.Parse(address)
	if err != nil || (at.Scheme != "http" && at.Scheme != "https") || at.Hostname() == "" || (at.Path != "" && at.Path != "/") {
		return "", fmt.Errorf("`%s` is not an address such as https://tactful.example:50051", address)
	}
	secure := at.Scheme == "https"
	port := at.Port()
	switch {
	case port == "" && secure:
		port = "443"
	case port == "":
		port = "80"
	}
	transport := insecure.NewCredentials()
	if secure {
		transport = credentials.NewTLS(o.tls)
	} else if o.needsTLS {
		return "", errors.New("certificates need an address with https://")
	}
	reconnect := backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second}
	settings := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		// The client repeats calls itself: it knows the delay that the server asks for.
		grpc.WithDisableRetry(),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: 5 * time.Second}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 5 * time.Second}),
	}
	if o.token != nil {
		settings = append(settings, grpc.WithPerRPCCredentials(bearer{o.token, secure}))
	}
	o.dial = append(settings, o.dial...)
	return net.JoinHostPort(at.Hostname(), port), nil
}

type bearer struct {
	token  func(context.Context) (string, error)
	secure bool
}

func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := b.token(ctx)
	if err != nil {
		return nil, fmt.Errorf("getting the token: %w", err)
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

func (b bearer) RequireTransportSecurity() bool { return b.secure }
