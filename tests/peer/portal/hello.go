package main

import (
	"errors"
	"io"
	"strings"
)

var errHello = errors.New("not a ClientHello")

// readHello reads one record, and the name it asks for; the bytes go on to whom they are for.
func readHello(r io.Reader) (record []byte, name string, err error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, "", err
	}
	size := int(head[3])<<8 | int(head[4])
	if head[0] != 22 || size == 0 {
		return nil, "", errHello
	}
	record = append(head, make([]byte, size)...)
	if _, err := io.ReadFull(r, record[5:]); err != nil {
		return nil, "", err
	}
	name, err = serverName(cursor(record[5:]))
	return record, name, err
}

// cursor is what is left to read.
type cursor []byte

func (c *cursor) take(n int) (cursor, error) {
	if n > len(*c) {
		return nil, errHello
	}
	taken := (*c)[:n]
	*c = (*c)[n:]
	return taken, nil
}

// vector takes what a length of so many bytes stands before.
func (c *cursor) vector(lengthBytes int) (cursor, error) {
	length, err := c.take(lengthBytes)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, b := range length {
		n = n<<8 | int(b)
	}
	return c.take(n)
}

func serverName(c cursor) (string, error) {
	kind, err := c.take(1)
	if err != nil || kind[0] != 1 {
		return "", errHello
	}
	hello, err := c.vector(3)
	if err != nil {
		return "", err
	}
	if _, err := hello.take(34); err != nil {
		return "", err
	}
	for _, lengthBytes := range []int{1, 2, 1} {
		if _, err := hello.vector(lengthBytes); err != nil {
			return "", err
		}
	}
	extensions, err := hello.vector(2)
	for err == nil && len(extensions) >= 4 {
		kind, _ := extensions.take(2)
		var body cursor
		if body, err = extensions.vector(2); err == nil && kind[0] == 0 && kind[1] == 0 {
			return nameIn(body)
		}
	}
	return "", nil
}

func nameIn(body cursor) (string, error) {
	list, err := body.vector(2)
	for err == nil && len(list) > 0 {
		kind, _ := list.take(1)
		var name cursor
		if name, err = list.vector(2); err == nil && kind[0] == 0 {
			return strings.TrimSuffix(strings.ToLower(strings.TrimSpace(string(name))), "."), nil
		}
	}
	return "", err
}
