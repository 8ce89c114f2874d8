package main

import (
	"encoding/gob"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	udpMaxSize  = 9012
	udpDeadline = 15 * time.Second
)

// udpPacket is the one type of the gob streams, one stream for each direction.
type udpPacket struct {
	Src     string
	Payload []byte
}

// udpEntry owns the local socket; a channel comes and goes with each session.
type udpEntry struct {
	t      *tunnel
	r      *remote
	socket net.PacketConn
	closed chan struct{}
	mu     sync.Mutex
	out    *gob.Encoder // nil while there is no channel
}

func (e *udpEntry) Close() error {
	close(e.closed)
	return e.socket.Close()
}

func (t *tunnel) entryUDP(r *remote) (io.Closer, error) {
	socket, err := net.ListenPacket("udp", r.local())
	if err != nil {
		return nil, err
	}
	e := &udpEntry{t: t, r: r, socket: socket, closed: make(chan struct{})}
	t.logf("proxy#%s: Listening", r)
	go e.readSocket()
	go e.keepChannel()
	return e, nil
}

func (e *udpEntry) readSocket() {
	buf := make([]byte, udpMaxSize)
	for {
		n, from, err := e.socket.ReadFrom(buf)
		if err != nil {
			return
		}
		e.mu.Lock()
		if e.out != nil {
			e.out.Encode(&udpPacket{Src: from.String(), Payload: buf[:n]})
		}
		e.mu.Unlock()
	}
}

func (e *udpEntry) setOut(out *gob.Encoder) {
	e.mu.Lock()
	e.out = out
	e.mu.Unlock()
}

// keepChannel has a channel open whenever there is a session.
func (e *udpEntry) keepChannel() {
	for {
		if conn := e.t.waitConn(); conn != nil {
			e.useChannel(conn)
		}
		select {
		case <-e.closed:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (e *udpEntry) useChannel(conn ssh.Conn) {
	ch, reqs, err := conn.OpenChannel("chisel", []byte(e.r.target()))
	if err != nil {
		e.t.logf("proxy#%s: %v", e.r, err)
		return
	}
	defer ch.Close()
	go ssh.DiscardRequests(reqs)
	e.setOut(gob.NewEncoder(ch))
	e.readChannel(ch)
	e.setOut(nil)
}

func (e *udpEntry) readChannel(ch io.Reader) {
	in := gob.NewDecoder(ch)
	for {
		p := udpPacket{}
		if err := in.Decode(&p); err != nil {
			return
		}
		if to, err := net.ResolveUDPAddr("udp", p.Src); err == nil {
			e.socket.WriteTo(p.Payload, to)
		} else {
			e.t.logf("proxy#%s: bad source %q", e.r, p.Src)
		}
	}
}

// udpExit has one connected socket for each flow key that came through the channel.
type udpExit struct {
	t     *tunnel
	addr  string
	mu    sync.Mutex // guards flows and out
	flows map[string]net.Conn
	out   *gob.Encoder
}

func (t *tunnel) exitUDP(s stream, addr string) error {
	e := &udpExit{t: t, addr: addr, flows: map[string]net.Conn{}, out: gob.NewEncoder(s)}
	defer e.closeAll()
	in := gob.NewDecoder(s)
	for {
		p := udpPacket{}
		if err := in.Decode(&p); err != nil {
			return err
		}
		if t.manners.udpClose {
			return nil
		}
		if flow := e.flow(p.Src); flow != nil {
			flow.Write(p.Payload)
		}
	}
}

func (e *udpExit) flow(src string) net.Conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.flows[src]; c != nil {
		return c
	}
	c, err := net.Dial("udp", e.addr)
	if err != nil {
		return nil
	}
	e.flows[src] = c
	go e.answers(src, c)
	return c
}

func (e *udpExit) answers(src string, c net.Conn) {
	buf := make([]byte, udpMaxSize)
	for {
		c.SetReadDeadline(time.Now().Add(udpDeadline))
		n, err := c.Read(buf)
		if err != nil {
			break
		}
		e.mu.Lock()
		e.out.Encode(&udpPacket{Src: src + e.t.manners.srcSuffix, Payload: buf[:n]})
		e.mu.Unlock()
	}
	e.mu.Lock()
	delete(e.flows, src)
	e.mu.Unlock()
	c.Close()
}

func (e *udpExit) closeAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.flows {
		c.Close()
	}
}
