package main

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
)

type user struct {
	name, pass string
	allowed    []*regexp.Regexp
}

func (u *user) mayReach(addr string) bool {
	if u == nil {
		return true // no users: everybody may do everything
	}
	for _, re := range u.allowed {
		if re.MatchString(addr) {
			return true
		}
	}
	return false
}

type users struct{ byName map[string]*user }

func (us *users) add(pair string, patterns []string) error {
	name, pass, ok := strings.Cut(pair, ":")
	if !ok || name == "" {
		return errors.New("a user is name:password")
	}
	u := &user{name: name, pass: pass}
	for _, p := range patterns {
		if p == "*" {
			p = ""
		}
		re, err := regexp.Compile(p)
		if err != nil {
			return err
		}
		u.allowed = append(u.allowed, re)
	}
	if us.byName == nil {
		us.byName = map[string]*user{}
	}
	us.byName[name] = u
	return nil
}

func (us *users) addPair(pair string) error {
	if pair == "" {
		return nil
	}
	return us.add(pair, []string{""})
}

func (us *users) addFile(path string) error {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	entries := map[string][]string{}
	if err := json.Unmarshal(text, &entries); err != nil {
		return err
	}
	for pair, patterns := range entries {
		if err := us.add(pair, patterns); err != nil {
			return err
		}
	}
	return nil
}

func (us *users) isEmpty() bool { return len(us.byName) == 0 }

func (us *users) login(name, pass string) bool {
	u := us.byName[name]
	return us.isEmpty() || (u != nil && u.pass == pass)
}
