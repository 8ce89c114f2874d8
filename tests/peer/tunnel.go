package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// tunnel is what both roles do once the session stands: entries that open channels for
// those who come, exits that dial for the channels that are opened, and pings.
type tunnel struct {
	name      string // prefix of log lines
	manners   *manners
	keepalive time.Duration
	mayExit   bool
	maySocks  bool
	user      *user // nil: may do everything

	mu    sync.Mutex
	conn  ssh.Conn
	ready chan struct{} // closed while conn is set
}

func newTunnel(name string, m *manners) *tunnel {
	return &tunnel{name: name, manners: m, ready: make(chan struct{})}
}

func (t *tunnel) logf(format string, args ...any) {
	log.Printf(t.name+": "+format, args...)
}

func (t *tunnel) setConn(c ssh.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conn = c
	if c != nil {
		close(t.ready)
	} else {
		t.ready = make(chan struct{})
	}
}

// waitConn gives the session, waiting for one as long as a visitor should have to.
func (t *tunnel) waitConn() ssh.Conn {
	t.mu.Lock()
	ready := t.ready
	t.mu.Unlock()
	select {
	case <-ready:
	case <-time.After(35 * time.Second):
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conn
}

// serve runs until the session ends; requests begin after config.
func (t *tunnel) serve(c ssh.Conn, reqs <-chan *ssh.Request, chans <-chan ssh.NewChannel) {
	t.setConn(c)
	go t.answerRequests(reqs)
	go t.acceptChannels(chans)
	if t.keepalive > 0 {
		go t.ping(c)
	}
	if t.manners.open != "" {
		go t.openAndReport(c)
	}
	c.Wait()
	t.setConn(nil)
}

func (t *tunnel) answerRequests(reqs <-chan *ssh.Request) {
	for r := range reqs {
		if r.Type == "ping" && !t.manners.noPong {
			r.Reply(true, []byte("pong"))
		}
		// Anything else stays unanswered, as in the field.
	}
}

func (t *tunnel) ping(c ssh.Conn) {
	for {
		time.Sleep(t.keepalive)
		if t.manners.unknownRequest {
			ok, data, err := c.SendRequest("nobody-knows-this", true, []byte("x"))
			t.logf("Unknown request answered %v %d bytes (%v)", ok, len(data), err)
		}
		_, data, err := c.SendRequest("ping", true, nil)
		if err != nil {
			return
		}
		if len(data) > 0 && string(data) != "pong" {
			t.logf("strange ping response %q", data)
			c.Close()
			return
		}
	}
}

func (t *tunnel) openAndReport(c ssh.Conn) {
	ch, reqs, err := c.OpenChannel("chisel", []byte(t.manners.open))
	if err != nil {
		t.logf("Opened %s: %v", t.manners.open, err)
		return
	}
	go ssh.DiscardRequests(reqs)
	first := make([]byte, 1)
	n, err := ch.Read(first)
	t.logf("Opened %s: accepted, read %d (%v)", t.manners.open, n, err)
	ch.Close()
}

func (t *tunnel) acceptChannels(chans <-chan ssh.NewChannel) {
	for ch := range chans {
		go t.accept(ch)
	}
}

func (t *tunnel) accept(ch ssh.NewChannel) {
	addr, proto := cutProto(string(ch.ExtraData()))
	isSocks := addr == "socks"
	switch {
	case !t.mayExit:
		ch.Reject(ssh.Prohibited, "Denied outbound connection")
	case isSocks && !t.maySocks:
		ch.Reject(ssh.Prohibited, "SOCKS5 is not enabled")
	case !t.user.mayReach(addr):
		ch.Reject(ssh.Prohibited, "access denied")
	case isSocks:
		t.acceptStream(ch, func(s stream) error { return t.exitSocks(s) })
	case proto == "udp":
		t.acceptStream(ch, func(s stream) error { return t.exitUDP(s, addr) })
	default:
		t.exitTCP(ch, addr)
	}
}

func (t *tunnel) acceptStream(ch ssh.NewChannel, exit func(stream) error) {
	s, reqs, err := ch.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(reqs)
	defer s.Close()
	if err := exit(s); err != nil && !errors.Is(err, io.EOF) {
		t.logf("%s: %v", ch.ExtraData(), err)
	}
}

// exitTCP dials first or accepts first, as the release it plays does.
func (t *tunnel) exitTCP(ch ssh.NewChannel, addr string) {
	var target net.Conn
	var err error
	if t.manners.halfClose {
		if target, err = net.DialTimeout("tcp", addr, 30*time.Second); err != nil {
			ch.Reject(ssh.ConnectionFailed, err.Error())
			return
		}
	}
	t.acceptStream(ch, func(s stream) error {
		if target == nil {
			if target, err = net.Dial("tcp", addr); err != nil {
				return err
			}
		}
		t.pipe(s, target.(*net.TCPConn))
		return nil
	})
}

// stream is a socket or a channel: two ways, each of which can end alone.
type stream interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// pipe joins two streams. Without half-close the first end of either way ends all.
func (t *tunnel) pipe(a, b stream) (sent, received int64) {
	var once sync.Once
	var ways sync.WaitGroup
	closeBoth := func() { a.Close(); b.Close() }
	join := func(dst, src stream, count *int64) {
		defer ways.Done()
		n, err := io.Copy(dst, src)
		*count = n
		if t.manners.halfClose && err == nil {
			dst.CloseWrite()
		} else {
			once.Do(closeBoth)
		}
	}
	ways.Add(2)
	go join(b, a, &sent)
	go join(a, b, &received)
	ways.Wait()
	once.Do(closeBoth)
	return sent, received
}

// entry listens for one remote until the listener is closed.
func (t *tunnel) entry(r *remote) (io.Closer, error) {
	if r.isUDP() {
		return t.entryUDP(r)
	}
	l, err := listenTCP(r.local())
	if err != nil {
		return nil, err
	}
	t.logf("proxy#%s: Listening", r)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go t.visitor(r, c.(*net.TCPConn))
		}
	}()
	return l, nil
}

func (t *tunnel) visitor(r *remote, c stream) {
	defer c.Close()
	conn := t.waitConn()
	if conn == nil {
		return
	}
	ch, reqs, err := conn.OpenChannel("chisel", []byte(r.target()))
	if err != nil {
		t.logf("proxy#%s: conn: Stream error: %v", r, err)
		return
	}
	go ssh.DiscardRequests(reqs)
	t.pipe(c, ch)
}

func (m *manners) apply(c *ssh.Config) {
	c.RekeyThreshold = m.rekey
	switch m.algorithms {
	case "old":
		c.KeyExchanges = []string{"curve25519-sha256@libssh.org"}
		c.Ciphers = []string{"aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com",
			"aes128-ctr"}
		c.MACs = []string{"hmac-sha2-256-etm@openssh.com", "hmac-sha2-256", "hmac-sha1"}
	case "nist":
		c.KeyExchanges = []string{"ecdh-sha2-nistp256"}
		c.Ciphers = []string{"aes256-gcm@openssh.com"}
	case "chacha":
		c.Ciphers = []string{"chacha20-poly1305@openssh.com"}
	}
}

// quietly says whether an error is the ordinary end of a connection.
func quietly(err error) bool {
	return err == nil || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		strings.Contains(fmt.Sprint(err), "use of closed")
}
