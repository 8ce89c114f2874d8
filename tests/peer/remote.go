package main

import (
	"encoding/json"
	"errors"
	"net"
	"regexp"
	"strconv"
	"strings"
)

// remote is one mapping, in the form in which it travels in the config request.
type remote struct {
	LocalHost, LocalPort, LocalProto    string
	RemoteHost, RemotePort, RemoteProto string
	Socks, Reverse, Stdio               bool
}

type config struct {
	Version string
	Remotes []*remote
}

func parseConfig(data []byte) (*config, error) {
	c := &config{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, errors.New("server: invalid config")
	}
	return c, nil
}

var remotePart = regexp.MustCompile(`\[[^\[\]]+\]|[^\[\]:]+`)

// parseRemote reads "R:1.2.3.4:80:host:443/tcp" and its shorter forms, from the right.
func parseRemote(text string) (*remote, error) {
	r := &remote{}
	if rest, ok := strings.CutPrefix(text, "R:"); ok {
		r.Reverse, text = true, rest
	}
	parts := remotePart.FindAllString(text, -1)
	if len(parts) == 0 || len(parts) > 4 {
		return nil, errors.New("Invalid remote")
	}
	for i := len(parts) - 1; i >= 0; i-- {
		if err := r.take(parts[i], i == len(parts)-1, i == 0); err != nil {
			return nil, err
		}
	}
	r.defaults()
	return r, r.check()
}

func (r *remote) take(part string, isLast, isFirst bool) error {
	switch {
	case isLast && part == "socks":
		r.Socks = true
		return nil
	case isFirst && part == "stdio":
		r.Stdio = true
		return nil
	}
	part = r.takeProto(part)
	if n, err := strconv.Atoi(part); err == nil && n >= 1 && n <= 65535 {
		if !r.Socks && r.RemotePort == "" {
			r.RemotePort = part
		}
		r.LocalPort = part
		return nil
	}
	if !r.Socks && r.RemotePort == "" && r.LocalPort == "" {
		return errors.New("Missing ports")
	}
	if !r.Socks && r.RemoteHost == "" {
		r.RemoteHost = part
	} else {
		r.LocalHost = part
	}
	return nil
}

func (r *remote) takeProto(part string) string {
	rest, proto := cutProto(part)
	if proto == "" {
		return part
	}
	if r.RemotePort == "" {
		r.RemoteProto = proto
	} else if r.LocalProto == "" {
		r.LocalProto = proto
	}
	return rest
}

// cutProto takes a "/tcp" or "/udp" off the end, lowering the rest when there is one.
func cutProto(text string) (rest, proto string) {
	low := strings.ToLower(text)
	for _, p := range []string{"tcp", "udp"} {
		if s, ok := strings.CutSuffix(low, "/"+p); ok {
			return s, p
		}
	}
	return text, ""
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func (r *remote) defaults() {
	if r.Socks {
		r.LocalHost = or(r.LocalHost, "127.0.0.1")
		r.LocalPort = or(r.LocalPort, "1080")
	} else {
		r.LocalHost = or(r.LocalHost, "0.0.0.0")
		r.RemoteHost = or(r.RemoteHost, "127.0.0.1")
	}
	r.RemoteProto = or(r.RemoteProto, "tcp")
	r.LocalProto = or(r.LocalProto, r.RemoteProto)
}

func (r *remote) check() error {
	switch {
	case r.LocalProto != r.RemoteProto:
		return errors.New("cross-protocol remotes are not supported yet")
	case r.Socks && r.RemoteProto != "tcp":
		return errors.New("only TCP SOCKS is supported")
	case r.Stdio && r.Reverse:
		return errors.New("stdio cannot be reversed")
	}
	return nil
}

func (r *remote) isUDP() bool   { return r.LocalProto == "udp" }
func (r *remote) local() string { return r.LocalHost + ":" + r.LocalPort }

// target is what a channel asks for.
func (r *remote) target() string {
	switch {
	case r.Socks:
		return "socks"
	case r.isUDP():
		return r.RemoteHost + ":" + r.RemotePort + "/udp"
	}
	return r.RemoteHost + ":" + r.RemotePort
}

// aclAddress is what the users file's expressions are held against.
func (r *remote) aclAddress() string {
	switch {
	case r.Reverse:
		return "R:" + r.local()
	case r.Socks:
		return "socks"
	}
	return r.RemoteHost + ":" + r.RemotePort
}

// String is the display form of log lines and errors: "R:2222=>localhost:22".
func (r *remote) String() string {
	local := strings.TrimPrefix(r.local(), "0.0.0.0:")
	if r.Stdio {
		local = "stdio"
	}
	if r.Reverse {
		local = "R:" + local
	}
	return local + "=>" + strings.TrimPrefix(r.target(), "127.0.0.1:")
}

// canListen tries the local address and lets go of it.
func (r *remote) canListen() bool {
	if r.isUDP() {
		p, err := net.ListenPacket("udp", r.local())
		if err == nil {
			p.Close()
		}
		return err == nil
	}
	l, err := listenTCP(r.local())
	if err == nil {
		l.Close()
	}
	return err == nil
}

// listenTCP takes 0.0.0.0 to mean IPv4 only, as the field does.
func listenTCP(addr string) (net.Listener, error) {
	if strings.HasPrefix(addr, "0.0.0.0:") {
		return net.Listen("tcp4", addr)
	}
	return net.Listen("tcp", addr)
}
