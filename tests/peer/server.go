package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/crypto/ssh"
)

const subprotocol = "chisel-v3"

type server struct {
	key       ssh.Signer
	users     *users
	keepalive time.Duration
	reverse   bool
	socks     bool
	manners   manners
	sessions  atomic.Int64
}

func (s *server) run(addr string) error {
	l, err := listenTCP(addr)
	if err != nil {
		return err
	}
	if s.reverse {
		log.Print("server: Reverse tunnelling enabled")
	}
	log.Print("server: Fingerprint ", fingerprint(s.key.PublicKey()))
	if !s.users.isEmpty() {
		log.Print("server: User authentication enabled")
	}
	log.Print("server: Listening on http://", l.Addr())
	return http.Serve(l, http.HandlerFunc(s.handle))
}

func (s *server) handle(w http.ResponseWriter, r *http.Request) {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		got := r.Header.Get("Sec-WebSocket-Protocol")
		if got == subprotocol {
			s.upgrade(w, r)
			return
		}
		log.Printf("server: ignored client connection using protocol '%s', expected '%s'",
			got, subprotocol)
	}
	switch r.URL.Path {
	case "/health":
		w.Write([]byte("OK\n"))
	case "/version":
		w.Write([]byte(version))
	default:
		w.WriteHeader(http.StatusNotFound)
		w.Write([]byte("Not found"))
	}
}

func (s *server) upgrade(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		log.Printf("server: Failed to upgrade (%v)", err)
		return
	}
	defer ws.Close()
	name := fmt.Sprintf("server: session#%d", s.sessions.Add(1))
	if err := s.session(&wsConn{Conn: ws}, name); !quietly(err) {
		log.Printf("%s: %v", name, err)
	}
}

func (s *server) sshConfig() *ssh.ServerConfig {
	c := &ssh.ServerConfig{
		ServerVersion: "SSH-chisel-v3-server",
		PasswordCallback: func(m ssh.ConnMetadata, pass []byte) (*ssh.Permissions, error) {
			if s.users.login(m.User(), string(pass)) {
				return nil, nil
			}
			return nil, errors.New("Invalid authentication for username: " + m.User())
		},
	}
	s.manners.apply(&c.Config)
	c.AddHostKey(s.key)
	return c
}

func (s *server) session(ws *wsConn, name string) error {
	conn, chans, reqs, err := ssh.NewServerConn(ws, s.sshConfig())
	if err != nil {
		return err
	}
	defer conn.Close()
	who := s.users.byName[conn.User()]
	remotes, err := s.configure(reqs, who, name)
	if err != nil {
		// The field leaves a refused session open; its client closes it.
		log.Printf("%s: %v", name, err)
		go ssh.DiscardRequests(reqs)
		conn.Wait()
		return nil
	}
	t := newTunnel(name+": tun", &s.manners)
	t.keepalive, t.mayExit, t.maySocks, t.user = s.keepalive, true, s.socks, who
	return t.serveWith(conn, reqs, chans, remotes)
}

// serveWith has the reverse listeners live exactly as long as the session.
func (t *tunnel) serveWith(conn ssh.Conn, reqs <-chan *ssh.Request,
	chans <-chan ssh.NewChannel, remotes []*remote) error {
	var open []io.Closer
	defer func() {
		for _, l := range open {
			l.Close()
		}
	}()
	for _, r := range remotes {
		if !r.Reverse {
			continue
		}
		l, err := t.entry(r)
		if err != nil {
			return err
		}
		open = append(open, l)
	}
	t.serve(conn, reqs, chans)
	return nil
}

// configure waits for the config request, judges it and answers it.
func (s *server) configure(reqs <-chan *ssh.Request, who *user, name string) ([]*remote, error) {
	var req *ssh.Request
	select {
	case req = <-reqs:
	case <-time.After(10 * time.Second):
	}
	if req == nil {
		return nil, errors.New("no config")
	}
	c, err := s.judge(req, who, name)
	if s.manners.mute {
		return nil, errors.New("keeping quiet")
	}
	if err != nil {
		req.Reply(false, []byte(err.Error()))
		return nil, err
	}
	req.Reply(true, nil)
	return c.Remotes, nil
}

func (s *server) judge(req *ssh.Request, who *user, name string) (*config, error) {
	if req.Type != "config" {
		return nil, errors.New("server: expecting config request")
	}
	c, err := parseConfig(req.Payload)
	if err != nil {
		return nil, err
	}
	if c.Version != version {
		log.Printf("%s: Client version (%s) differs from server version (%s)",
			name, c.Version, version)
	}
	for _, r := range c.Remotes {
		if err := s.judgeRemote(r, who); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (s *server) judgeRemote(r *remote, who *user) error {
	switch {
	case !who.mayReach(r.aclAddress()):
		return fmt.Errorf("server: access to '%s' denied", r.aclAddress())
	case r.Reverse && !s.reverse:
		return errors.New("server: Reverse port forwaring not enabled on server")
	case r.Reverse && !r.canListen():
		return fmt.Errorf("server: Server cannot listen on %s", r)
	}
	return nil
}
