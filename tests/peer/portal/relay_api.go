package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	secp "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

const (
	bodyMax       = 4 << 20
	pendingMax    = 32
	challengeLife = 120 * time.Second
	defaultTTL    = 120
)

type pending struct {
	message  string
	question challengeQuestion
	from     string
	expires  time.Time
}

func fail(code string, status int, message string) *failure {
	return &failure{Code: code, Message: message, status: status}
}

func answer(w http.ResponseWriter, status int, e envelope) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(e)
}

func answerFailure(w http.ResponseWriter, err error) {
	var f *failure
	if !errors.As(err, &f) {
		f = fail("internal", 500, err.Error())
	}
	answer(w, f.status, envelope{Error: f})
}

// operation reads a question of its own type and gives what is answered.
func operation[Q any](method string, status int,
	do func(*http.Request, *Q) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			answerFailure(w, fail("method_not_allowed", 405, "method not allowed"))
			return
		}
		q := new(Q)
		if method == http.MethodPost {
			body := http.MaxBytesReader(w, r.Body, bodyMax)
			if err := json.NewDecoder(body).Decode(q); err != nil {
				answerFailure(w, fail("invalid_json", 400, "the body is not JSON"))
				return
			}
		}
		data, err := do(r, q)
		if err != nil {
			answerFailure(w, err)
			return
		}
		raw, _ := json.Marshal(data)
		answer(w, status, envelope{Data: raw, OK: true})
	}
}

func (r *relay) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, envelope{Data: json.RawMessage(`{"status":"ok"}`), OK: true})
	})
	mux.HandleFunc("/sdk/domain", operation("GET", 200, r.domain))
	mux.HandleFunc("/sdk/register/challenge", operation("POST", 201, r.challenge))
	mux.HandleFunc("/sdk/register", operation("POST", 201, r.register))
	mux.HandleFunc("/sdk/renew", operation("POST", 200, r.renew))
	mux.HandleFunc("/sdk/unregister", operation("POST", 200, r.unregister))
	mux.HandleFunc("/sdk/connect", r.connect)
	mux.HandleFunc("/v1/sign", r.sign)
	mux.HandleFunc("/tunnel/status", r.status)
	return mux
}

func (r *relay) domain(*http.Request, *struct{}) (any, error) {
	return &domainAnswer{protocolVersion, releaseVersion,
		map[string]bool{"enabled": false, "verified": false}}, nil
}

func (r *relay) status(w http.ResponseWriter, q *http.Request) {
	name := q.URL.Query().Get("hostname")
	l := r.route(name)
	raw, _ := json.Marshal(map[string]any{"hostname": name, "registered": l != nil,
		"service_alive": l != nil && len(l.ready) > 0})
	answer(w, 200, envelope{Data: raw, OK: true})
}

func checkECHList(q *challengeQuestion) error {
	if q.ECHConfigList == "" {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(q.ECHConfigList)
	if err != nil || q.RouteHostname == "" || len(raw) < 2 || len(raw) > 4096 ||
		int(binary.BigEndian.Uint16(raw)) != len(raw)-2 {
		return fail("invalid_request", 400, "ech_config_list is not one")
	}
	return nil
}

func normalIdentity(m identityMessage) (identityMessage, error) {
	m.Name = strings.ToLower(strings.TrimSpace(m.Name))
	if m.Name == "" || len(m.Name) > 63 || strings.Trim(m.Name,
		"abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.Trim(m.Name, "-") != m.Name {
		return m, fail("invalid_request", 400, "name is invalid")
	}
	if len(m.Address) != 42 || !strings.EqualFold(m.Address[:2], "0x") {
		return m, fail("invalid_request", 400, "address is invalid")
	}
	m.Address = eip55(m.Address)
	return m, nil
}

func (r *relay) challenge(q *http.Request, c *challengeQuestion) (any, error) {
	if c.HopToken != "" || c.UDPEnabled || c.TCPEnabled && !r.tcpEnabled {
		return nil, fail("feature_unavailable", 503, "not here")
	}
	if err := checkECHList(c); err != nil {
		return nil, err
	}
	var err error
	if c.Identity, err = normalIdentity(c.Identity); err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	id, from := "rch_"+randomHex(8), peerOf(q)
	message := fmt.Sprintf("%s wants you to sign in with your Ethereum account:\n%s\n\n"+
		"Register a portal lease\n\nURI: https://%s/sdk/register\nVersion: 1\nChain ID: 1\n"+
		"Nonce: %s\nIssued At: %s\nExpiration Time: %s\nRequest ID: %s", q.Host,
		c.Identity.Address, q.Host, randomHex(8), now.Format(time.RFC3339),
		now.Add(challengeLife).Format(time.RFC3339), id)
	r.mu.Lock()
	defer r.mu.Unlock()
	waiting := 0
	for _, p := range r.challenges {
		if p.from == from && now.Before(p.expires) {
			waiting++
		}
	}
	if waiting >= pendingMax {
		return nil, fail("rate_limited", 429, "too many pending challenges")
	}
	r.challenges[id] = &pending{message, *c, from, now.Add(challengeLife)}
	return &challengeAnswer{id, now.Add(challengeLife), message}, nil
}

func peerOf(q *http.Request) string {
	host, _, _ := net.SplitHostPort(q.RemoteAddr)
	return host
}

func (r *relay) redeem(q *registerQuestion) (*challengeQuestion, error) {
	r.mu.Lock()
	p := r.challenges[q.ChallengeID]
	r.mu.Unlock()
	if p == nil || time.Now().After(p.expires) || strings.TrimSpace(q.Message) != p.message {
		return nil, fail("invalid_request", 400, "the challenge is unknown or altered")
	}
	signer, err := recoverPersonal(p.message, q.Signature)
	if err != nil || signer != p.question.Identity.Address {
		return nil, fail("unauthorized", 403, "the signature is not the identity's")
	}
	r.mu.Lock()
	delete(r.challenges, q.ChallengeID)
	r.mu.Unlock()
	return &p.question, nil
}

func (r *relay) register(_ *http.Request, q *registerQuestion) (any, error) {
	c, err := r.redeem(q)
	if err != nil {
		return nil, err
	}
	l, err := r.newLease(c)
	if err != nil {
		return nil, err
	}
	token, expires := r.issue(l.identity, c.TTL)
	l.expires = expires
	a := &registerAnswer{Identity: l.identity, ExpiresAt: expires, AccessToken: token,
		SNIPort: r.sniPort}
	if c.TCPEnabled {
		if l.listener, err = r.listenFor(l.identity.Name); err != nil {
			return nil, err
		}
		a.TCPEnabled = true
		a.TCPAddr = fmt.Sprintf("%s:%d", r.root, l.listener.Addr().(*net.TCPAddr).Port)
	}
	if err := r.insert(l); err != nil {
		return nil, err
	}
	if l.listener != nil {
		go r.acceptAll(l.listener, func(visitor net.Conn) {
			if conn := l.claim(markerRaw); conn != nil {
				bridge(visitor, visitor, conn, nil)
			}
			visitor.Close()
		})
	}
	return a, nil
}

func (r *relay) newLease(c *challengeQuestion) (*lease, error) {
	public := c.Identity.Name + "." + r.root
	l := &lease{identity: c.Identity, hostname: public, ready: make(chan *idle, readyMax),
		gone: make(chan struct{})}
	if c.RouteHostname == "" && c.HostnameHash == "" {
		return l, nil
	}
	if c.TCPEnabled || c.RouteHostname == "" {
		return nil, fail("transport_mismatch", 409, "a route hostname is for streams")
	}
	label, suffix, _ := strings.Cut(strings.ToLower(c.RouteHostname), ".")
	l.hash = hostnameHash(public)
	if label == "" || suffix != r.root || c.HostnameHash != "" && c.HostnameHash != l.hash {
		return nil, fail("invalid_request", 400, "the route hostname or its hash is wrong")
	}
	l.hostname = label + "." + suffix
	return l, nil
}

func overlap(a, b *lease) bool {
	return a.hostname == b.hostname || a.hash != "" && a.hash == b.hash ||
		hostnameHash(a.hostname) == b.hash || hostnameHash(b.hostname) == a.hash
}

func (r *relay) insert(l *lease) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, other := range r.leases {
		if key != l.identity.key() && time.Now().Before(other.expires) && overlap(l, other) {
			if l.listener != nil {
				l.listener.Close()
			}
			return fail("hostname_conflict", 409, "the name is another's")
		}
	}
	if old := r.leases[l.identity.key()]; old != nil {
		r.dropLocked(l.identity.key(), old)
	}
	r.leases[l.identity.key()] = l
	return nil
}

// ---- tokens: ES256K over what is claimed ----

type claims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Audience []string        `json:"aud"`
	ID       string          `json:"jti"`
	Issued   int64           `json:"iat"`
	From     int64           `json:"nbf"`
	Expires  int64           `json:"exp"`
	Identity identityMessage `json:"identity"`
}

func (r *relay) issue(id identityMessage, ttl int) (string, time.Time) {
	if ttl <= 0 {
		ttl = defaultTTL
	}
	now := time.Now().Truncate(time.Second)
	expires := now.Add(time.Duration(ttl) * time.Second)
	body, _ := json.Marshal(&claims{r.issuer, id.key(), []string{"portal-sdk"},
		"tok_" + randomHex(8), now.Unix(), now.Unix(), expires.Unix(), id})
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256K","typ":"JWT"}`)) + "." +
		base64.RawURLEncoding.EncodeToString(body)
	digest := sha256.Sum256([]byte(text))
	signature := secp.SignCompact(r.identity.private, digest[:], false)[1:]
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), expires
}

func (r *relay) leaseOf(token string) (*lease, error) {
	bad := fail("unauthorized", 403, "the access token is bad")
	at := strings.LastIndexByte(token, '.')
	if at < 0 {
		return nil, bad
	}
	raw, err := base64.RawURLEncoding.DecodeString(token[at+1:])
	if err != nil || len(raw) != 64 {
		return nil, bad
	}
	var rs, ss secp256k1.ModNScalar
	rs.SetByteSlice(raw[:32])
	ss.SetByteSlice(raw[32:])
	digest := sha256.Sum256([]byte(token[:at]))
	if !secp.NewSignature(&rs, &ss).Verify(digest[:], r.identity.private.PubKey()) {
		return nil, bad
	}
	_, body, _ := strings.Cut(token[:at], ".")
	text, _ := base64.RawURLEncoding.DecodeString(body)
	var c claims
	now := time.Now()
	if json.Unmarshal(text, &c) != nil || c.Issuer != r.issuer || now.Unix() > c.Expires {
		return nil, bad
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.leases[c.Subject]
	if l == nil {
		return nil, fail("lease_not_found", 404, "lease not found")
	}
	return l, nil
}

func (r *relay) renew(_ *http.Request, q *renewQuestion) (any, error) {
	l, err := r.leaseOf(q.AccessToken)
	if err != nil {
		return nil, err
	}
	token, _ := r.issue(l.identity, q.TTL)
	ttl := q.TTL
	if ttl <= 0 {
		ttl = defaultTTL
	}
	r.mu.Lock()
	l.expires = time.Now().Add(time.Duration(ttl) * time.Second)
	defer r.mu.Unlock()
	return &renewAnswer{l.expires, token}, nil
}

func (r *relay) unregister(_ *http.Request, q *renewQuestion) (any, error) {
	l, err := r.leaseOf(q.AccessToken)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.dropLocked(l.identity.key(), l)
	r.mu.Unlock()
	return struct{}{}, nil
}

func (r *relay) connect(w http.ResponseWriter, q *http.Request) {
	if q.Method != http.MethodGet {
		answerFailure(w, fail("method_not_allowed", 405, "method not allowed"))
		return
	}
	l, err := r.leaseOf(q.Header.Get(tokenHeader))
	if err != nil {
		answerFailure(w, err)
		return
	}
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		answerFailure(w, fail("hijack_failed", 500, err.Error()))
		return
	}
	conn.SetDeadline(time.Time{})
	if _, err := io.WriteString(conn, connectAnswer); err != nil {
		conn.Close()
		return
	}
	r.offer(l, conn)
}

// ---- signing ----

func signFailure(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": text})
}

func (r *relay) sign(w http.ResponseWriter, q *http.Request) {
	if _, err := r.leaseOf(q.Header.Get(tokenHeader)); err != nil {
		answerFailure(w, err)
		return
	}
	var s signQuestion
	kind := q.Header.Get("Content-Type")
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, 4<<10))
	skew := func() time.Duration { return time.Since(time.Unix(s.Timestamp, 0)).Abs() }
	switch {
	case q.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		signFailure(w, 405, "method not allowed")
	case kind != "" && !strings.HasPrefix(kind, "application/json"):
		signFailure(w, 415, "not JSON")
	case err != nil || json.NewDecoder(bytes.NewReader(body)).Decode(&s) != nil:
		signFailure(w, 400, "bad JSON")
	case s.KeyID != "relay-cert":
		signFailure(w, 403, "unknown key")
	case s.Nonce == "" || skew() > 30*time.Second:
		signFailure(w, 400, "nonce or clock")
	default:
		r.signDigest(w, &s)
	}
}

var signHashes = map[string]crypto.Hash{"SHA256": crypto.SHA256, "SHA384": crypto.SHA384,
	"SHA512": crypto.SHA512}

func (r *relay) signDigest(w http.ResponseWriter, s *signQuestion) {
	at := strings.LastIndexByte(s.Algorithm, '_')
	hash, known := signHashes[s.Algorithm[at+1:]]
	if at < 0 || !known || len(s.Digest) != hash.Size() {
		signFailure(w, 400, "algorithm or digest")
		return
	}
	var opts crypto.SignerOpts = hash
	fits := false
	switch r.key.(type) {
	case *ecdsa.PrivateKey:
		fits = s.Algorithm[:at] == "ECDSA"
	case *rsa.PrivateKey:
		fits = strings.HasPrefix(s.Algorithm, "RSA_")
		if s.Algorithm[:at] == "RSA_PSS" {
			opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
		}
	}
	if !fits {
		signFailure(w, 400, "the key cannot do that")
		return
	}
	signature, err := r.key.Sign(rand.Reader, s.Digest, opts)
	if err != nil {
		signFailure(w, 500, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(&signAnswer{s.KeyID, s.Algorithm, signature})
}
