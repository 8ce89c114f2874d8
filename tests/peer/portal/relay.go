package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	readyMax     = 8
	claimMax     = 10 * time.Second
	keepaliveGap = 15 * time.Second
	markerMax    = 5 * time.Second
	peekMax      = 2 * time.Second
	sweepGap     = 5 * time.Second
	stickyMax    = 5 * time.Minute
)

type relay struct {
	apiPort, sniPort int
	minPort, maxPort int
	tcpEnabled       bool
	issuer, root     string
	identity         *identity
	key              crypto.Signer

	mu         sync.Mutex
	challenges map[string]*pending
	leases     map[string]*lease
	ports      map[int]*heldPort
}

// lease is what one identity has registered.
type lease struct {
	identity       identityMessage
	hostname, hash string
	expires        time.Time
	ready          chan *idle
	gone           chan struct{}
	closing        sync.Once
	listener       net.Listener
}

type heldPort struct {
	name  string
	until time.Time // zero: in use
}

func newRelay() *relay {
	return &relay{challenges: map[string]*pending{}, leases: map[string]*lease{},
		ports: map[int]*heldPort{}}
}

func (r *relay) start(portalURL, dir string) error {
	c, err := newRelayClient(portalURL)
	if err != nil {
		return err
	}
	r.issuer, r.root = portalURL, strings.ToLower(c.host)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if r.identity, err = loadIdentity(filepath.Join(dir, "identity.json"), r.root); err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "fullchain.pem"),
		filepath.Join(dir, "privatekey.pem"))
	if err != nil {
		return err
	}
	r.key = cert.PrivateKey.(crypto.Signer)
	api, err := net.Listen("tcp", fmt.Sprintf(":%d", r.apiPort))
	if err != nil {
		return err
	}
	sni, err := net.Listen("tcp", fmt.Sprintf(":%d", r.sniPort))
	if err != nil {
		return err
	}
	// TLS 1.3 only, as where ECH keys are always at hand.
	config := &tls.Config{Certificates: []tls.Certificate{cert},
		NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS13}
	server := &http.Server{Handler: r.handler(), ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(tls.NewListener(api, config))
	go r.acceptAll(sni, r.visit)
	go r.sweep()
	log.Printf("api on port %d, sni on port %d, root %s", r.apiPort, r.sniPort, r.root)
	return nil
}

func (r *relay) acceptAll(l net.Listener, visit func(net.Conn)) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go visit(conn)
	}
}

func (r *relay) sweep() {
	for {
		time.Sleep(sweepGap)
		now := time.Now()
		r.mu.Lock()
		for key, l := range r.leases {
			if now.After(l.expires) {
				r.dropLocked(key, l)
			}
		}
		for id, p := range r.challenges {
			if now.After(p.expires) {
				delete(r.challenges, id)
			}
		}
		r.mu.Unlock()
	}
}

func (r *relay) dropLocked(key string, l *lease) {
	delete(r.leases, key)
	l.closing.Do(func() { close(l.gone) })
	if l.listener != nil {
		l.listener.Close()
		port := l.listener.Addr().(*net.TCPAddr).Port
		r.ports[port] = &heldPort{l.identity.Name, time.Now().Add(stickyMax)}
	}
	for {
		select {
		case s := <-l.ready:
			s.stop()
			s.Close()
		default:
			return
		}
	}
}

// listenFor opens the port that the name had before, or the lowest that is free.
func (r *relay) listenFor(name string) (net.Listener, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	try := []int{}
	for port, held := range r.ports {
		if held.name == name && !held.until.IsZero() {
			try = append(try, port)
		}
	}
	for port := r.minPort; port <= r.maxPort; port++ {
		held := r.ports[port]
		if held == nil || !held.until.IsZero() && time.Now().After(held.until) {
			try = append(try, port)
		}
	}
	for _, port := range try {
		if l, err := net.Listen("tcp", ":"+strconv.Itoa(port)); err == nil {
			r.ports[port] = &heldPort{name: name}
			return l, nil
		}
	}
	return nil, &failure{Code: "tcp_port_exhausted", Message: "no port is left", status: 503}
}

// idle is a reverse session that nobody has claimed.
type idle struct {
	net.Conn
	stopped chan struct{}
	ended   chan struct{}
}

func (s *idle) keep() {
	defer close(s.ended)
	for {
		select {
		case <-s.stopped:
			return
		case <-time.After(keepaliveGap):
		}
		s.SetWriteDeadline(time.Now().Add(markerMax))
		if _, err := s.Write([]byte{markerIdle}); err != nil {
			s.Close()
			return
		}
	}
}

func (s *idle) stop() {
	close(s.stopped)
	<-s.ended
}

func (s *idle) activate(marker byte) error {
	s.stop()
	s.SetWriteDeadline(time.Now().Add(markerMax))
	_, err := s.Write([]byte{marker})
	s.SetDeadline(time.Time{})
	return err
}

func (r *relay) offer(l *lease, conn net.Conn) {
	s := &idle{conn, make(chan struct{}), make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-l.gone:
		conn.Close()
		return
	default:
	}
	select {
	case l.ready <- s:
		go s.keep()
	default:
		conn.Close()
	}
}

func (l *lease) claim(marker byte) net.Conn {
	limit := time.NewTimer(claimMax)
	defer limit.Stop()
	for {
		select {
		case s := <-l.ready:
			if s.activate(marker) == nil {
				return s.Conn
			}
			s.Close()
		case <-l.gone:
			return nil
		case <-limit.C:
			return nil
		}
	}
}

func (r *relay) visit(visitor net.Conn) {
	defer visitor.Close()
	visitor.SetReadDeadline(time.Now().Add(peekMax))
	reader := bufio.NewReaderSize(visitor, 5)
	hello, name, err := readHello(reader)
	if err != nil || name == "" {
		return
	}
	visitor.SetReadDeadline(time.Time{})
	if name == r.root {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		api, err := dial(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", r.apiPort))
		cancel()
		if err == nil {
			bridge(visitor, reader, api, hello)
		}
		return
	}
	l := r.route(name)
	if l == nil {
		return
	}
	if conn := l.claim(markerTLS); conn != nil {
		bridge(visitor, reader, conn, hello)
	}
}

func (r *relay) route(name string) *lease {
	hash := hostnameHash(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, pass := range []func(*lease) bool{
		func(l *lease) bool { return l.hostname == name },
		func(l *lease) bool { return l.hash != "" && l.hash == hash },
		func(l *lease) bool {
			_, suffix, found := strings.Cut(name, ".")
			return found && strings.Contains(suffix, ".") && l.hostname == "*."+suffix
		},
	} {
		for _, l := range r.leases {
			if time.Now().Before(l.expires) && pass(l) {
				return l
			}
		}
	}
	return nil
}

// bridge copies until both ways have ended.
func bridge(visitor net.Conn, reader io.Reader, inside net.Conn, first []byte) {
	defer inside.Close()
	defer visitor.Close()
	if _, err := inside.Write(first); err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		copyThrough(inside, reader)
		closeWrite(inside)
		close(done)
	}()
	copyThrough(visitor, inside)
	closeWrite(visitor)
	<-done
}

func closeWrite(conn net.Conn) {
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
}
