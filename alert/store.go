package alert

import (
	"context"
	"time"
)

// Store keeps what all gateways know of alerts. Implementations are safe for
// concurrent use. Errors: KindUnavailable when the store cannot be used now.
//
// A term is the one in which the caller leads: when another gateway leads by
// now, the error is KindConflict and nothing was changed.
type Store interface {
	// AlertRules returns the rules that were saved, by name.
	AlertRules(ctx context.Context) ([]Rule, error)
	// SaveAlertRule adds a rule or replaces the one of the same name.
	SaveAlertRule(ctx context.Context, r Rule) error
	// DeleteAlertRule removes a rule. KindNotFound when there is none of the name.
	DeleteAlertRule(ctx context.Context, name string) error

	// SaveSamples adds samples or replaces those with the same key.
	SaveSamples(ctx context.Context, samples []Sample) error
	// Samples returns those of a rule and version that begin at since or later.
	Samples(ctx context.Context, rule, version string, since time.Time) ([]Sample, error)
	// ForgetSamples removes those of a rule ("" all) that begin before.
	ForgetSamples(ctx context.Context, term int64, rule string, before time.Time) error

	// AlertBoard returns what holds and what waits.
	AlertBoard(ctx context.Context) (*Board, error)
	// SaveAlerts makes all of a change, or nothing.
	SaveAlerts(ctx context.Context, term int64, c Change) error
	// Incidents returns what fired, the latest first: of a rule ("" all), at most
	// limit.
	Incidents(ctx context.Context, rule string, limit int) ([]Incident, error)
	// LogDelivery adds a delivery that has ended, of no term.
	LogDelivery(ctx context.Context, d Delivery) error
	// Deliveries returns the deliveries of a channel ("" all), the latest first, at
	// most limit.
	Deliveries(ctx context.Context, channel string, limit int) ([]Delivery, error)
	// ForgetAlerts removes deliveries that ended before, and incidents that were
	// resolved before.
	ForgetAlerts(ctx context.Context, term int64, before time.Time) error
}

// Board is what holds and what waits.
type Board struct {
	States []State    // by rule, then subject
	Queue  []Delivery // that wait, by id
}

// Change is what one evaluation, or one attempt to deliver, changes.
type Change struct {
	States     []State    // that are new or different, by rule and subject
	Gone       []StateKey // that hold no more
	Deliveries []Delivery // that are new or different, by id
	Incidents  []Incident // that began or ended, by Alert.Incident
}

// Incident is something that was wrong once, on record.
type Incident struct {
	Rule     string   `json:"rule"`
	Type     Type     `json:"type"`
	Severity Severity `json:"severity"`
	Alert
}

// StateKey names a state.
type StateKey struct{ Rule, Subject string }

// Key returns the name of the state.
func (s *State) Key() StateKey { return StateKey{s.Rule.Name, s.Subject} }

func (c *Change) empty() bool {
	return len(c.States)+len(c.Gone)+len(c.Deliveries)+len(c.Incidents) == 0
}
