package main

import "testing"

func TestMemberAddress(t *testing.T) {
	for _, c := range []struct{ listens, machine, want string }{
		{"[::]:8080", "gateway-1", "gateway-1:8080"},
		{"0.0.0.0:8080", "gateway-1", "gateway-1:8080"},
		{"[::]:8080", "", "[::]:8080"},
		{"127.0.0.1:8080", "gateway-1", "127.0.0.1:8080"},
		{"[fe80::1%eth0]:8080", "gateway-1", "[fe80::1%eth0]:8080"},
	} {
		if got := memberAddress(c.listens, c.machine); got != c.want {
			t.Errorf("%s on %q: %s, want %s", c.listens, c.machine, got, c.want)
		}
	}
}
