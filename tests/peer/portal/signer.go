package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// remoteSigner is a private key that lies at the relay.
type remoteSigner struct {
	relay  *relayClient
	public crypto.PublicKey
	token  func() string
	http   *http.Client
}

func newRemoteSigner(c *relayClient, chain []*x509.Certificate, token func() string) *remoteSigner {
	config := &tls.Config{ServerName: c.host, NextProtos: []string{"http/1.1"},
		MinVersion: tls.VersionTLS13, RootCAs: poolOf(chain)}
	return &remoteSigner{relay: c, public: chain[0].PublicKey, token: token,
		http: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
			DialContext: dial, TLSClientConfig: config, IdleConnTimeout: 90 * time.Second}}}
}

func (s *remoteSigner) Public() crypto.PublicKey { return s.public }

func (s *remoteSigner) algorithm(opts crypto.SignerOpts) (string, error) {
	bits := opts.HashFunc().Size() * 8
	switch s.public.(type) {
	case *ecdsa.PublicKey:
		return fmt.Sprintf("ECDSA_SHA%d", bits), nil
	case *rsa.PublicKey:
		if _, ok := opts.(*rsa.PSSOptions); ok {
			return fmt.Sprintf("RSA_PSS_SHA%d", bits), nil
		}
		return fmt.Sprintf("RSA_PKCS1V15_SHA%d", bits), nil
	}
	return "", fmt.Errorf("the relay's key is a %T", s.public)
}

func (s *remoteSigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	algorithm, err := s.algorithm(opts)
	if err != nil {
		return nil, err
	}
	body, _ := json.Marshal(&signQuestion{"relay-cert", algorithm, digest, time.Now().Unix(),
		randomHex(16)})
	to := s.relay.base.ResolveReference(&url.URL{Path: "/v1/sign"})
	r, err := http.NewRequest(http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set(tokenHeader, s.token())
	answer, err := s.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, readFailure(answer)
	}
	var a signAnswer
	if err := json.NewDecoder(answer.Body).Decode(&a); err != nil {
		return nil, err
	}
	io.Copy(io.Discard, answer.Body)
	if a.KeyID != "relay-cert" || a.Algorithm != algorithm {
		return nil, fmt.Errorf("asked for %s, signed with %s", algorithm, a.Algorithm)
	}
	return a.Signature, nil
}

func (s *remoteSigner) close() { s.http.CloseIdleConnections() }
