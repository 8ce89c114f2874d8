package main

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	slots        = 2
	retryWait    = 3 * time.Second
	retryMax     = 10
	renewMargin  = 30 * time.Second
	jumpAllowed  = 10 * time.Second
	handshakeMax = 15 * time.Second
)

const downPage = "<!doctype html><title>Service Unavailable</title>" +
	"<p>The local service is not running. Start it, and reload.</p>\n"

// exposure is one target at some relays.
type exposure struct {
	identity           *identity
	target             string
	tcp, banMITM, hide bool
	ttl                int
	listeners          []*listener
}

func (e *exposure) shutdown(budget time.Duration) {
	done := make(chan struct{})
	go func() {
		for _, l := range e.listeners {
			l.unregister()
		}
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(budget):
	}
}

// listener is the relationship with one relay.
type listener struct {
	e       *exposure
	relay   *relayClient
	token   atomic.Value
	expires time.Time
	sniPort int
	tenant  *tls.Config
	config  []byte // the ECHConfigList
	signer  *remoteSigner
	accept  chan net.Conn
	probes  *probes
	closed  atomic.Bool

	mu       sync.Mutex
	sessions map[*session]bool
	stop     chan struct{} // of this registration's slots
}

func newListener(e *exposure, url string) (*listener, error) {
	relay, err := newRelayClient(url)
	if err != nil {
		return nil, err
	}
	l := &listener{e: e, relay: relay, accept: make(chan net.Conn, 4),
		sessions: map[*session]bool{}}
	l.probes = newProbes(l)
	return l, nil
}

func (l *listener) hostname() string { return l.e.identity.Name + "." + l.relay.host }
func (l *listener) isPlain() bool    { return !l.e.tcp }

func isFatal(err error) bool {
	var f *failure
	if !errors.As(err, &f) {
		return false
	}
	switch f.Code {
	case "feature_unavailable", "transport_mismatch", "hostname_conflict", "ip_banned",
		"incompatible":
		return true
	}
	return false
}

func (l *listener) run() {
	go l.serve()
	for failures := 0; !l.closed.Load(); {
		err := l.register()
		if err == nil {
			failures = 0
			l.renewUntilLost()
			continue
		}
		log.Printf("%s: %v", l.relay.base, err)
		if failures++; isFatal(err) || failures > retryMax {
			l.close("gives up")
			return
		}
		time.Sleep(retryWait)
	}
}

func (l *listener) register() error {
	if err := l.relay.prepare(); err != nil {
		return err
	}
	var domain domainAnswer
	if err := l.relay.ask("/sdk/domain", nil, &domain); err != nil {
		return err
	}
	if domain.ProtocolVersion != protocolVersion {
		return &failure{Code: "incompatible", Message: "protocol " + domain.ProtocolVersion}
	}
	answer, err := l.signIn()
	if err != nil {
		return err
	}
	if answer.Identity.key() != l.e.identity.key() || answer.AccessToken == "" {
		return errors.New("the relay registered somebody else")
	}
	l.token.Store(answer.AccessToken)
	l.expires, l.sniPort = answer.ExpiresAt, answer.SNIPort
	if err := l.makeTenant(); err != nil {
		l.unregister()
		return err
	}
	l.startSlots()
	log.Printf("%s: public at https://%s", l.relay.base, l.hostname())
	if answer.TCPEnabled {
		log.Printf("%s: public at tcp://%s", l.relay.base, answer.TCPAddr)
	}
	return nil
}

func (l *listener) signIn() (*registerAnswer, error) {
	id := l.e.identity
	q := &challengeQuestion{Identity: id.identityMessage, TTL: l.e.ttl, TCPEnabled: l.e.tcp,
		Metadata: metadata{Hide: l.e.hide}}
	if l.isPlain() {
		_, config, err := id.ech(l.relay.host)
		if err != nil {
			return nil, err
		}
		l.config = append([]byte{0, byte(len(config))}, config...)
		q.RouteHostname = id.routeHostname(l.relay.host)
		q.HostnameHash = hostnameHash(l.hostname())
		q.ECHConfigList = base64.StdEncoding.EncodeToString(l.config)
	}
	var challenge challengeAnswer
	if err := l.relay.ask("/sdk/register/challenge", q, &challenge); err != nil {
		return nil, err
	}
	answer := &registerAnswer{}
	return answer, l.relay.ask("/sdk/register", &registerQuestion{
		ChallengeID: challenge.ChallengeID, Message: challenge.Message,
		Signature: id.signPersonal(challenge.Message)}, answer)
}

// makeTenant builds the TLS server whose key is the relay's.
func (l *listener) makeTenant() error {
	config := l.relay.tlsConfig()
	chain, err := l.relay.fetchChain(config)
	if err != nil {
		return err
	}
	if err := chain[0].VerifyHostname(l.hostname()); err != nil {
		return err
	}
	cert := tls.Certificate{}
	for _, c := range chain {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	if l.signer != nil {
		l.signer.close()
	}
	l.signer = newRemoteSigner(l.relay, chain, func() string { return l.token.Load().(string) })
	cert.PrivateKey = l.signer
	tenant := &tls.Config{Certificates: []tls.Certificate{cert},
		NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	if l.isPlain() {
		private, config, err := l.e.identity.ech(l.relay.host)
		if err != nil {
			return err
		}
		tenant.MinVersion = tls.VersionTLS13
		tenant.EncryptedClientHelloKeys = []tls.EncryptedClientHelloKey{{Config: config,
			PrivateKey: private, SendAsRetry: true}}
	}
	l.tenant = tenant
	return nil
}

func (l *listener) startSlots() {
	stop := make(chan struct{})
	l.stop = stop
	for range slots {
		go l.slot(stop, l.tenant)
	}
}

func stopped(stop chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

func (l *listener) slot(stop chan struct{}, tenant *tls.Config) {
	for failures := 0; !stopped(stop); {
		conn, err := l.wait(tenant)
		if err == nil || errors.Is(err, errHandshake) {
			failures = 0
			if conn != nil {
				l.accept <- conn
			}
			continue
		}
		if stopped(stop) {
			return
		}
		log.Printf("%s: session: %v", l.relay.base, err)
		if failures++; failures > retryMax {
			l.close("no session after many tries")
			return
		}
		select {
		case <-stop:
		case <-time.After(retryWait):
		}
	}
}

var errHandshake = errors.New("handshake")

// wait opens a session and gives what visits through it.
func (l *listener) wait(tenant *tls.Config) (net.Conn, error) {
	s, err := l.relay.openSession(l.token.Load().(string))
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.sessions[s] = true
	l.mu.Unlock()
	marker, err := s.activation()
	l.mu.Lock()
	delete(l.sessions, s)
	l.mu.Unlock()
	if err != nil {
		s.Close()
		return nil, err
	}
	if marker == markerRaw {
		return s, nil
	}
	conn := tls.Server(s, tenant)
	s.SetDeadline(time.Now().Add(handshakeMax))
	if err := conn.Handshake(); err != nil {
		log.Printf("visitor: %v", err)
		s.Close()
		return nil, errHandshake
	}
	s.SetDeadline(time.Time{})
	return conn, nil
}

func (l *listener) dropTransports() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop != nil {
		close(l.stop)
		l.stop = nil
	}
	for s := range l.sessions {
		s.NetConn().Close()
	}
}

func (l *listener) close(why string) {
	if l.closed.Swap(true) {
		return
	}
	log.Printf("%s: closed: %s", l.relay.base, why)
	l.dropTransports()
}

// renewUntilLost comes back when the lease must be registered anew.
func (l *listener) renewUntilLost() {
	defer l.dropTransports()
	for !l.closed.Load() {
		wait := max(time.Until(l.expires.Add(-renewMargin)), time.Duration(l.e.ttl)*time.Second/4)
		planned := time.Now().Round(0).Add(wait)
		time.Sleep(wait)
		if now := time.Now().Round(0); now.Sub(planned) > jumpAllowed || now.After(l.expires) {
			return
		}
		if !l.renew() {
			return
		}
	}
}

func (l *listener) renew() bool {
	for range retryMax {
		var answer renewAnswer
		err := l.relay.ask("/sdk/renew", &renewQuestion{AccessToken: l.token.Load().(string),
			TTL: l.e.ttl, Metadata: metadata{Hide: l.e.hide}}, &answer)
		if err == nil {
			l.token.Store(answer.AccessToken)
			l.expires = answer.ExpiresAt
			log.Printf("%s: renewed", l.relay.base)
			return true
		}
		log.Printf("%s: renewal: %v", l.relay.base, err)
		var f *failure
		if errors.As(err, &f) && f.Code == "lease_not_found" || time.Now().After(l.expires) {
			return false
		}
		time.Sleep(retryWait)
	}
	return false
}

func (l *listener) unregister() {
	token, _ := l.token.Load().(string)
	l.closed.Store(true)
	l.dropTransports()
	if token != "" {
		l.relay.ask("/sdk/unregister", map[string]string{"access_token": token}, nil)
	}
}

func (l *listener) serve() {
	for conn := range l.accept {
		go l.proxy(conn)
	}
}

func (l *listener) proxy(visitor net.Conn) {
	defer visitor.Close()
	if conn, ok := visitor.(*tls.Conn); ok {
		if visitor = l.probes.inspect(conn); visitor == nil {
			return
		}
	}
	target, err := net.DialTimeout("tcp", l.e.target, 5*time.Second)
	if err != nil {
		log.Printf("target: %v", err)
		fmt.Fprintf(visitor, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html; "+
			"charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
			len(downPage), downPage)
		return
	}
	defer target.Close()
	go func() {
		copyThrough(target, visitor)
		target.(*net.TCPConn).CloseWrite()
	}()
	copyThrough(visitor, target)
}

// copyThrough uses buffers of its own: no shortcut of the runtime's.
func copyThrough(to io.Writer, from io.Reader) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from},
		make([]byte, copyBytes))
	return err
}
