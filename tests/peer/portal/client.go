package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// relayClient asks one relay.
type relayClient struct {
	base  *url.URL
	host  string // without its port
	local bool
	roots *x509.CertPool // of a local relay: what it has shown
	http  *http.Client
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") ||
		ip != nil && ip.IsLoopback()
}

// dial resolves local names itself: not every machine does.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(host, ".localhost") {
		host = "127.0.0.1"
	}
	d := net.Dialer{Timeout: 5 * time.Second}
	return d.DialContext(ctx, network, net.JoinHostPort(host, port))
}

func newRelayClient(text string) (*relayClient, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + strings.TrimPrefix(text, "//")
	}
	base, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(base.Scheme, "https") || base.Hostname() == "" {
		return nil, errors.New("a relay's URL is https://host[:port]")
	}
	c := &relayClient{base: base, host: base.Hostname(), local: isLocal(base.Hostname())}
	return c, nil
}

func (c *relayClient) address() string {
	if c.base.Port() != "" {
		return net.JoinHostPort(c.host, c.base.Port())
	}
	return net.JoinHostPort(c.host, "443")
}

func (c *relayClient) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: c.host, NextProtos: []string{"http/1.1"},
		MinVersion: tls.VersionTLS12, RootCAs: c.roots}
}

// prepare learns a local relay's certificates by a first handshake that trusts anybody.
func (c *relayClient) prepare() error {
	if c.local {
		config := c.tlsConfig()
		config.InsecureSkipVerify = true
		chain, err := c.fetchChain(config)
		if err != nil {
			return err
		}
		c.roots = poolOf(chain)
	}
	c.http = &http.Client{Transport: &http.Transport{DialContext: dial,
		TLSClientConfig: c.tlsConfig()}, Timeout: 10 * time.Second}
	return nil
}

func poolOf(chain []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, cert := range chain {
		pool.AddCert(cert)
	}
	return pool
}

func (c *relayClient) dialTLS(config *tls.Config) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	raw, err := dial(ctx, "tcp", c.address())
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

func (c *relayClient) fetchChain(config *tls.Config) ([]*x509.Certificate, error) {
	conn, err := c.dialTLS(config)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates, nil
}

func readFailure(r *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(r.Body, 8<<10))
	var e envelope
	if json.Unmarshal(text, &e) == nil && e.Error != nil {
		e.Error.status = r.StatusCode
		return e.Error
	}
	return &failure{Message: strings.TrimSpace(string(text)), status: r.StatusCode}
}

// ask takes question nil for a GET.
func (c *relayClient) ask(path string, question, data any) error {
	method, body := http.MethodGet, []byte(nil)
	if question != nil {
		method = http.MethodPost
		body, _ = json.Marshal(question)
	}
	to := c.base.ResolveReference(&url.URL{Path: path})
	r, err := http.NewRequest(method, to.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	if question != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return readFailure(answer)
	}
	var e envelope
	if err := json.NewDecoder(answer.Body).Decode(&e); err != nil {
		return err
	}
	if !e.OK {
		return &failure{Message: "the answer is not ok", status: answer.StatusCode}
	}
	if data == nil {
		return nil
	}
	return json.Unmarshal(e.Data, data)
}

// session is a reverse session, with the bytes that came along with the head.
type session struct {
	*tls.Conn
	reader *bufio.Reader
}

func (s *session) Read(p []byte) (int, error) { return s.reader.Read(p) }

func (c *relayClient) openSession(token string) (*session, error) {
	conn, err := c.dialTLS(c.tlsConfig())
	if err != nil {
		return nil, err
	}
	r, _ := http.NewRequest(http.MethodGet, c.base.ResolveReference(
		&url.URL{Path: "/sdk/connect"}).String(), nil)
	r.Header.Set(tokenHeader, token)
	r.Header.Set("Connection", "keep-alive")
	conn.SetDeadline(time.Now().Add(15 * time.Second))
	if err = r.Write(conn); err == nil {
		reader := bufio.NewReaderSize(conn, copyBytes)
		var answer *http.Response
		if answer, err = http.ReadResponse(reader, r); err == nil {
			if answer.StatusCode == http.StatusOK {
				conn.SetDeadline(time.Time{})
				return &session{conn, reader}, nil
			}
			err = readFailure(answer)
		}
	}
	conn.Close()
	return nil, err
}

// activation waits for a marker that is not a keepalive.
func (s *session) activation() (byte, error) {
	for {
		s.SetReadDeadline(time.Now().Add(30 * time.Second))
		marker, err := s.reader.ReadByte()
		if err != nil {
			return 0, err
		}
		if marker == markerRaw || marker == markerTLS {
			s.SetReadDeadline(time.Time{})
			return marker, nil
		}
		if marker != markerIdle {
			return 0, errors.New("an unknown marker")
		}
	}
}
