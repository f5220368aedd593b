package cluster

import (
	"context"
	"sync"
	"time"
)

// Local is the Store of a process that has no others: it always leads, and
// remembers nothing of a former run. The zero value is ready.
type Local struct {
	mu     sync.Mutex
	member Member
	began  map[string]time.Time // jobs
}

// Beat implements Store.
func (l *Local) Beat(_ context.Context, m Member, _ time.Duration) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.Seen, m.Leader = time.Now(), true
	l.member = m
	return 1, nil
}

// Depart implements Store.
func (l *Local) Depart(context.Context, string) error { return nil }

// Census implements Store.
func (l *Local) Census(context.Context) (Census, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.member.ID == "" {
		return Census{At: time.Now()}, nil
	}
	return Census{At: time.Now(), Members: []Member{l.member}, Term: 1}, nil
}

// ForgetMembers implements Store.
func (l *Local) ForgetMembers(context.Context, int64, time.Duration) error { return nil }

// BeginJob implements Store.
func (l *Local) BeginJob(_ context.Context, _ int64, name string, every time.Duration) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if began, ok := l.began[name]; ok && now.Sub(began) < every {
		return every - now.Sub(began), nil
	}
	if l.began == nil {
		l.began = map[string]time.Time{}
	}
	l.began[name] = now
	return 0, nil
}

// EndJob implements Store.
func (l *Local) EndJob(context.Context, int64, string, string) error { return nil }
