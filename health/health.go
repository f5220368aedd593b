// Package health answers how each endpoint is doing now.
package health

import (
	"log/slog"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Config configures a Tracker. The zero value is valid.
type Config struct {
	Clock  func() time.Time // default time.Now
	Logger *slog.Logger     // default: discard
}

// Tracker holds the endpoints by id. Safe for concurrent use.
type Tracker struct{}

// New makes a tracker.
func New(c Config) (*Tracker, error) { return nil, nil }

// Endpoint returns the handle of an endpoint, made on first use. It stays the
// same for the life of the tracker.
func (t *Tracker) Endpoint(id model.EndpointID) *Endpoint { return nil }

// Endpoint is the live state of one endpoint. Safe for concurrent use.
type Endpoint struct{}

// Ticket is the permission to send one call. It goes back with Done, once.
type Ticket struct{ probe uint64 }

// Begin asks to send one call now. When ok, the call counts as in flight until
// Done; when not, the endpoint takes no calls (circuit open, another probe
// under way, or rate limited) and Done must not be called.
func (e *Endpoint) Begin(now time.Time) (t Ticket, ok bool) { return Ticket{}, false }

// Done reports how a call ended.
func (e *Endpoint) Done(now time.Time, t Ticket, o model.Outcome) {}

// Queue changes the number of calls waiting for a place by n.
func (e *Endpoint) Queue(n int32) {}

// View returns the state at that moment.
func (e *Endpoint) View(now time.Time) model.Health { return model.Health{} }

// Views writes the view of each endpoint to the position of its handle in dst,
// which must be as long, and returns dst.
func Views(dst []model.Health, es []*Endpoint, now time.Time) []model.Health { return dst }
