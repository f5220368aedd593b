//go:build unix

package testserver

import (
	"context"
	"testing"
	"time"
)

func TestARedisStopsFreezesAndStartsEmpty(t *testing.T) {
	s := NewRedis(t)
	count := func() string {
		t.Helper()
		answer, err := s.ask(t.Context(), "DBSIZE")
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	s.Do(t, "SET a 1")
	if got := count(); got != ":1\r\n" {
		t.Fatalf("after SET: %q", got)
	}
	s.Freeze(t)
	answered := make(chan error, 1)
	go func() { answered <- s.ping(context.WithoutCancel(t.Context())) }()
	select {
	case err := <-answered:
		t.Errorf("a frozen server answered: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	s.Thaw(t)
	if err := <-answered; err != nil {
		t.Errorf("thawed: %v", err)
	}
	s.Stop(t)
	if err := s.ping(t.Context()); err == nil {
		t.Error("a stopped server answered")
	}
	s.Start(t)
	if got := count(); got != ":0\r\n" {
		t.Errorf("started again: %q", got)
	}
	if one, other := Keyspace(t), Keyspace(t); one == other {
		t.Error("two tests share their keys")
	}
}
