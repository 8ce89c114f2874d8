package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"log"
	"net"
	"strconv"
	"sync"
	"time"
)

const (
	probeLabel    = "Portal-MITM-Probe-v1"
	probeBytes    = 32
	nonceBytes    = 16
	probeMax      = 5 * time.Second
	probeCooldown = 30 * time.Second
	probePeek     = 100 * time.Millisecond
)

// probes asks whether a relay lets visitors' TLS through untouched.
type probes struct {
	l       *listener
	mu      sync.Mutex
	pending map[[nonceBytes]byte]*probe
	flying  bool
	quiet   time.Time // until then, no new one
}

type probe struct {
	exported []byte
	verdict  chan bool
}

func newProbes(l *listener) *probes {
	return &probes{l: l, pending: map[[nonceBytes]byte]*probe{}}
}

// inspect gives the visitor, or nil if it was a probe. Its first bytes start a probe.
func (p *probes) inspect(conn *tls.Conn) net.Conn {
	p.mu.Lock()
	waiting := len(p.pending) > 0
	p.mu.Unlock()
	visitor := &watched{Conn: conn, probes: p}
	if !waiting {
		return visitor
	}
	head := make([]byte, nonceBytes)
	got := 0
	conn.SetReadDeadline(time.Now().Add(probePeek))
	for got < len(head) {
		n, err := conn.Read(head[got:])
		got += n
		if err != nil {
			break
		}
	}
	conn.SetReadDeadline(time.Time{})
	visitor.early = head[:got]
	if got == nonceBytes && p.settle([nonceBytes]byte(head), conn) {
		return nil
	}
	return visitor
}

func (p *probes) settle(nonce [nonceBytes]byte, conn *tls.Conn) bool {
	p.mu.Lock()
	found := p.pending[nonce]
	delete(p.pending, nonce)
	p.mu.Unlock()
	if found == nil {
		return false
	}
	state := conn.ConnectionState()
	mine, err := state.ExportKeyingMaterial(probeLabel, nil, probeBytes)
	found.verdict <- err == nil && bytes.Equal(mine, found.exported)
	return true
}

// watched is a visitor whose first byte, either way, starts a probe.
type watched struct {
	*tls.Conn
	probes *probes
	early  []byte
	once   sync.Once
}

func (w *watched) Read(b []byte) (int, error) {
	if len(w.early) > 0 {
		n := copy(b, w.early)
		w.early = w.early[n:]
		return n, nil
	}
	n, err := w.Conn.Read(b)
	if n > 0 {
		w.once.Do(w.probes.start)
	}
	return n, err
}

func (w *watched) Write(b []byte) (int, error) {
	w.once.Do(w.probes.start)
	return w.Conn.Write(b)
}

func (p *probes) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.flying || time.Now().Before(p.quiet) {
		return
	}
	p.flying = true
	go p.run()
}

func (p *probes) run() {
	passed, err := p.try()
	p.mu.Lock()
	p.flying = false
	if err == nil {
		p.quiet = time.Now().Add(probeCooldown)
	}
	p.mu.Unlock()
	switch {
	case err != nil:
		log.Printf("probe: probe_timeout (%v)", err)
	case passed:
		log.Print("probe: passed")
	default:
		log.Print("probe: tls_exporter_mismatch")
		if p.l.e.banMITM {
			p.l.close("banned: it ends visitors' TLS itself")
		}
	}
}

func (p *probes) try() (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), probeMax)
	defer cancel()
	l := p.l
	to := l.relay.address()
	if !l.relay.local {
		to = net.JoinHostPort(l.hostname(), strconv.Itoa(l.sniPort))
	}
	raw, err := dial(ctx, "tcp", to)
	if err != nil {
		return false, err
	}
	defer raw.Close()
	config := &tls.Config{ServerName: l.hostname(), InsecureSkipVerify: true,
		MinVersion: l.tenant.MinVersion, NextProtos: []string{"http/1.1"}}
	if l.isPlain() {
		config.EncryptedClientHelloConfigList = l.config
		// ECH is for those who verify; this one only asks who is there.
		config.EncryptedClientHelloRejectionVerify = func(tls.ConnectionState) error { return nil }
	}
	conn := tls.Client(raw, config)
	nonce := [nonceBytes]byte{}
	rand.Read(nonce[:])
	mine := &probe{verdict: make(chan bool, 1)}
	if err := conn.HandshakeContext(ctx); err != nil {
		return false, err
	}
	state := conn.ConnectionState()
	if mine.exported, err = state.ExportKeyingMaterial(probeLabel, nil, probeBytes); err != nil {
		return false, err
	}
	p.mu.Lock()
	p.pending[nonce] = mine
	p.mu.Unlock()
	size := []byte{0}
	rand.Read(size)
	padding := make([]byte, 96+int(size[0])%225)
	rand.Read(padding)
	if _, err := conn.Write(append(nonce[:], padding...)); err != nil {
		return false, err
	}
	select {
	case passed := <-mine.verdict:
		return passed, nil
	case <-ctx.Done():
		p.mu.Lock()
		delete(p.pending, nonce)
		p.mu.Unlock()
		return false, ctx.Err()
	}
}
