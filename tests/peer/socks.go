package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"syscall"
)

const (
	socksGeneral     = 1
	socksUnreachable = 4
	socksRefused     = 5
	socksCommand     = 7
	socksAddrType    = 8
)

// exitSocks speaks SOCKS5 (RFC 1928, no authentication, CONNECT only) on a channel.
func (t *tunnel) exitSocks(s stream) error {
	if err := socksGreet(s); err != nil {
		return err
	}
	addr, code, err := socksRequest(s)
	if err != nil {
		socksFail(s, code)
		return err
	}
	target, err := net.Dial("tcp", addr)
	if err != nil {
		socksFail(s, socksCode(err))
		return err
	}
	if _, err := s.Write(socksSuccess(target.LocalAddr().(*net.TCPAddr))); err != nil {
		target.Close()
		return err
	}
	t.pipe(s, target.(*net.TCPConn))
	return nil
}

func socksGreet(s stream) error {
	head := make([]byte, 2)
	if _, err := io.ReadFull(s, head); err != nil {
		return err
	}
	if head[0] != 5 {
		return errors.New("not SOCKS5")
	}
	methods := make([]byte, head[1])
	if _, err := io.ReadFull(s, methods); err != nil {
		return err
	}
	for _, m := range methods {
		if m == 0 {
			_, err := s.Write([]byte{5, 0})
			return err
		}
	}
	s.Write([]byte{5, 0xff})
	return errors.New("no acceptable method")
}

func socksRequest(s stream) (addr string, code byte, err error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(s, head); err != nil {
		return "", socksGeneral, err
	}
	host, code, err := socksHost(s, head[3])
	if err != nil {
		return "", code, err
	}
	port := make([]byte, 2)
	if _, err := io.ReadFull(s, port); err != nil {
		return "", socksGeneral, err
	}
	if head[1] != 1 {
		return "", socksCommand, errors.New("only CONNECT is known")
	}
	return net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(port)))), 0, nil
}

func socksHost(s stream, kind byte) (string, byte, error) {
	size := 0
	switch kind {
	case 1:
		size = net.IPv4len
	case 4:
		size = net.IPv6len
	case 3:
		n := make([]byte, 1)
		if _, err := io.ReadFull(s, n); err != nil {
			return "", socksGeneral, err
		}
		size = int(n[0])
	default:
		return "", socksAddrType, errors.New("unknown address type")
	}
	host := make([]byte, size)
	if _, err := io.ReadFull(s, host); err != nil {
		return "", socksGeneral, err
	}
	if kind == 3 {
		return string(host), 0, nil
	}
	return net.IP(host).String(), 0, nil
}

func socksCode(err error) byte {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return socksRefused
	}
	return socksUnreachable
}

func socksFail(s stream, code byte) {
	s.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
}

func socksSuccess(a *net.TCPAddr) []byte {
	reply := []byte{5, 0, 0, 1}
	ip := a.IP.To4()
	if ip == nil {
		reply[3], ip = 4, a.IP.To16()
	}
	reply = append(reply, ip...)
	return binary.BigEndian.AppendUint16(reply, uint16(a.Port))
}
