package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/crypto/ssh"
)

type client struct {
	fingerprint, auth string
	keepalive         time.Duration
	maxInterval       time.Duration
	maxRetries        int
	tlsCA             string
	tlsSkip           bool
	headers           headers
	manners           manners

	url     string
	remotes []*remote
	tunnel  *tunnel
}

func (c *client) run(server string, remotes []string) error {
	for _, text := range remotes {
		r, err := parseRemote(text)
		if err != nil {
			return fmt.Errorf("client: %s: %w", text, err)
		}
		c.remotes = append(c.remotes, r)
	}
	u, err := serverURL(server)
	if err != nil {
		return err
	}
	c.url = u
	c.makeTunnel()
	if err := c.listen(); err != nil {
		return err
	}
	log.Printf("client: Connecting to %s", c.url)
	return c.retry()
}

var hasPort = regexp.MustCompile(`:\d+$`)

// serverURL makes "host:8080" into "ws://host:8080/", with the port always written.
func serverURL(text string) (string, error) {
	if !strings.HasPrefix(text, "http") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	port := ":80"
	if u.Scheme == "https" {
		port = ":443"
	}
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	if !hasPort.MatchString(u.Host) {
		u.Host += port
	}
	return u.String(), nil
}

func (c *client) makeTunnel() {
	c.tunnel = newTunnel("client: tun", &c.manners)
	c.tunnel.keepalive = c.keepalive
	anySocks := false
	for _, r := range c.remotes {
		c.tunnel.mayExit = c.tunnel.mayExit || r.Reverse
		anySocks = anySocks || r.Socks
	}
	c.tunnel.maySocks = anySocks && c.tunnel.mayExit
}

// listen opens the entries once; they outlive every session.
func (c *client) listen() error {
	for _, r := range c.remotes {
		if r.Reverse {
			continue
		}
		if r.Stdio {
			go c.stdio(r)
			continue
		}
		if _, err := c.tunnel.entry(r); err != nil {
			return fmt.Errorf("client: Client cannot listen on %s", r)
		}
	}
	return nil
}

type stdioStream struct{}

func (stdioStream) Read(p []byte) (int, error)  { return os.Stdin.Read(p) }
func (stdioStream) Write(p []byte) (int, error) { return os.Stdout.Write(p) }
func (stdioStream) CloseWrite() error           { return os.Stdout.Close() }

// Close ends the program: nothing else wakes a read of a terminal or a pipe.
func (stdioStream) Close() error {
	os.Exit(0)
	return nil
}

// stdio serves one visitor, who is the parent, and then there is nothing left to do.
func (c *client) stdio(r *remote) {
	c.tunnel.visitor(r, stdioStream{})
	os.Exit(0)
}

func (c *client) retry() error {
	for attempt := 0; ; attempt++ {
		began := time.Now()
		connected, err := c.attempt()
		if connected {
			log.Print("client: Disconnected")
			if time.Since(began) > 5*time.Second {
				attempt = 0
			}
		}
		if !quietly(err) {
			log.Printf("client: Connection error: %v", err)
		}
		if c.maxRetries >= 0 && attempt >= c.maxRetries {
			return errors.New("client: Give up")
		}
		wait := min(100*time.Millisecond<<min(attempt, 20), c.maxInterval)
		log.Printf("client: Retrying in %s...", wait)
		time.Sleep(wait)
	}
}

func (c *client) attempt() (connected bool, err error) {
	ws, err := c.dial()
	if err != nil {
		return false, err
	}
	defer ws.Close()
	conn, chans, reqs, err := ssh.NewClientConn(&wsConn{Conn: ws}, "", c.sshConfig())
	if err != nil {
		if strings.Contains(err.Error(), "unable to authenticate") {
			log.Print("client: Authentication failed")
		}
		return false, err
	}
	defer conn.Close()
	if err := c.configure(conn); err != nil {
		return false, err
	}
	c.tunnel.serve(conn, reqs, chans)
	return true, nil
}

func (c *client) dial() (*websocket.Conn, error) {
	tlsConfig, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	for name, value := range c.headers {
		h.Set(name, value)
	}
	d := websocket.Dialer{HandshakeTimeout: 45 * time.Second,
		Subprotocols: []string{subprotocol}, TLSClientConfig: tlsConfig}
	ws, _, err := d.Dial(c.url, h)
	return ws, err
}

func (c *client) tlsConfig() (*tls.Config, error) {
	t := &tls.Config{InsecureSkipVerify: c.tlsSkip}
	if c.tlsCA == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.tlsCA)
	if err != nil {
		return nil, err
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + c.tlsCA)
	}
	return t, nil
}

func (c *client) sshConfig() *ssh.ClientConfig {
	name, pass, _ := strings.Cut(c.auth, ":")
	s := &ssh.ClientConfig{
		User:          name,
		Auth:          []ssh.AuthMethod{ssh.Password(pass)},
		ClientVersion: "SSH-chisel-v3-client",
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			err := checkFingerprint(c.fingerprint, key)
			if err == nil && c.fingerprint != "" {
				log.Print("client: Fingerprint ", fingerprint(key))
			}
			return err
		},
	}
	c.manners.apply(&s.Config)
	return s
}

func (c *client) configure(conn ssh.Conn) error {
	text, err := json.Marshal(config{Version: version, Remotes: c.remotes})
	if err != nil {
		return err
	}
	if c.manners.configJSON != "" {
		text = []byte(c.manners.configJSON)
	}
	began := time.Now()
	_, reply, err := conn.SendRequest("config", true, text)
	if err != nil {
		return err
	}
	if len(reply) > 0 {
		return errors.New(string(reply))
	}
	log.Printf("client: Connected (Latency %s)", time.Since(began))
	return nil
}
