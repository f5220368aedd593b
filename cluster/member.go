package cluster

import (
	"context"
	"time"
)

// Member is one replica, as it describes itself.
type Member struct {
	ID      string    `json:"id"`               // of this run
	Name    string    `json:"name"`             // of its machine
	Address string    `json:"address"`          // where it listens, with the name of its machine where that is all of its addresses
	Version string    `json:"version"`          // of the program
	Spool   string    `json:"spool,omitempty"`  // of its data directory: the same over its runs
	Config  string    `json:"config"`           // fingerprint of what it is configured with
	Started time.Time `json:"started"`          //
	Seen    time.Time `json:"seen"`             // when it last told, by the store's clock
	Leader  bool      `json:"leader,omitempty"` // it does what is done once
}

// Census is who is there at one moment.
type Census struct {
	At      time.Time // by the store's clock
	Members []Member  // by address; those too that were not seen for a while
	Term    int64     // of the leader; 0: there was none yet
}

// Unheard returns for how long a member has told nothing.
func (c *Census) Unheard(m *Member) time.Duration { return c.At.Sub(m.Seen) }

// There says whether a member still runs, as far as the others can know.
func (c *Census) There(m *Member) bool { return c.Unheard(m) <= Gone }

// Store keeps who is there, who leads, and what was done once for all.
// Implementations are safe for concurrent use, and go by their own clock. Errors:
// KindUnavailable when the store cannot be used now.
type Store interface {
	// Beat notes that the member is there, and makes it the leader for that time if
	// nobody is, or if it is already. It returns the term in which it leads, 0 when
	// another one does. Each change of the leader begins a higher term.
	Beat(ctx context.Context, m Member, lead time.Duration) (term int64, err error)
	// Depart forgets the member, and ends its lead.
	Depart(ctx context.Context, id string) error
	// Census returns who is there.
	Census(ctx context.Context) (Census, error)
	// ForgetMembers forgets those that were not seen for that time. KindConflict when the
	// term is over.
	ForgetMembers(ctx context.Context, term int64, unseen time.Duration) error
	// BeginJob notes that a job begins when it is due: at its first run, when that
	// time has passed since the last one began, or when a former term did not end
	// it. Else it returns how long it is until then. KindConflict when the term is
	// over.
	BeginJob(ctx context.Context, term int64, name string, every time.Duration) (wait time.Duration, err error)
	// EndJob notes how a job ended; failure is empty when it went well. KindConflict
	// when the term is over.
	EndJob(ctx context.Context, term int64, name, failure string) error
}
