package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cartrita/cartrita/key"
)

// keyNow returns a key as keys show sees it.
func (b *bench) keyNow(name string) (k keyAnswer) {
	b.t.Helper()
	r := b.run("keys", "show", name, "--json")
	if err := json.Unmarshal([]byte(r.out), &k); err != nil {
		b.t.Fatalf("%v: %+v", err, r)
	}
	return k
}

func TestKeysUpdate(t *testing.T) {
	b := newBench(t, "")
	if r := b.run("keys", "create", "app", "--team", "a", "--tag", "blue", "--rpm", "5", "--tpm", "100", "--model", "no/such"); r.code != 0 || !strings.Contains(r.err, `warning: models[0]: "no/such" matches no model`) {
		t.Fatalf("%+v", r)
	}
	if r := b.run("keys", "update", "app", "--tpm", "200", "--tag", "", "--role", "viewer", "--expires", "30d", "--project", "p"); r.code != 0 || !strings.Contains(r.out, "200 tok/min") {
		t.Fatalf("%+v", r)
	}
	k := b.keyNow("app")
	if k.Limits != (key.Limits{Requests: 5, Tokens: 200}) || len(k.Tags) != 0 || k.Role != key.RoleViewer || k.Team != "a" || k.Project != "p" || k.Expires.IsZero() || len(k.Models) != 1 {
		t.Errorf("%+v", k)
	}
	if r := b.run("keys", "update", "app", "--rpm", "0", "--expires", "never", "--team", "", "--name", "web", "--model", "also/none,more/none", "--tag", "x", "--tag", "y"); r.code != 0 || !strings.Contains(r.err, "warning: models[0]") {
		t.Fatalf("%+v", r)
	}
	if k := b.keyNow("web"); k.Limits != (key.Limits{Tokens: 200}) || k.Team != "" || !k.Expires.IsZero() || len(k.Models) != 2 || len(k.Tags) != 2 {
		t.Errorf("%+v", k)
	}
	for want, args := range map[string][]string{
		"nothing to change": {"web"},
		"--role":            {"web", "--role", "king"},
		"limits.tokens_per_minute: is -4; want a numb": {"web", "--tpm=-4"},
		`strategies[0]: no strategy is named "nope"`:   {"web", "--strategy", "nope"},
		`no key has the id or name "nobody"`:           {"nobody", "--rpm", "1"},
	} {
		if r := b.run(append([]string{"keys", "update"}, args...)...); r.code == 0 || !strings.Contains(r.err, want) {
			t.Errorf("%v: %+v, want %s", args, r, want)
		}
	}
}

// A name means the key that is active, else the one that ended.
func TestKeysByName(t *testing.T) {
	b := newBench(t, "")
	b.run("keys", "create", "app")
	first := b.keyNow("app")
	if r := b.run("keys", "create", "app"); r.code == 0 || !strings.Contains(r.err, string(first.ID)) {
		t.Errorf("a second one: %+v", r)
	}
	if r := b.run("keys", "revoke", "app"); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	if k := b.keyNow("app"); k.ID != first.ID || k.State != key.StateRevoked {
		t.Errorf("%+v", k)
	}
	if r := b.run("keys", "rotate", "app"); r.code == 0 || !strings.Contains(r.err, "was revoked; create another one") {
		t.Errorf("%+v", r)
	}
	b.run("keys", "create", "app")
	if k := b.keyNow("app"); k.ID == first.ID || k.State != key.StateActive {
		t.Errorf("%+v", k)
	}
}
