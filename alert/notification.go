package alert

import (
	"context"
	"time"
)

// Event is what a message is about.
type Event string

// The events.
const (
	Firing   Event = "firing"
	Resolved Event = "resolved"
	Reminder Event = "reminder" // it still fires
	Test     Event = "test"     // somebody tries a channel
)

// Severity says how bad it is.
type Severity string

// The severities.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Severities lists them all, the mildest first.
func Severities() []Severity { return []Severity{Info, Warning, Critical} }

// Notification is one message to one channel: what began, ended or goes on, of
// one rule.
type Notification struct {
	ID       string    `json:"id"` // the same at every attempt to deliver it
	Event    Event     `json:"event"`
	Rule     string    `json:"rule"`
	Type     Type      `json:"type"`
	Severity Severity  `json:"severity"`
	At       time.Time `json:"at"` // when it was decided to send it
	Alerts   []Alert   `json:"alerts"`
}

// Alert is one thing that is or was wrong.
type Alert struct {
	Incident  string    `json:"incident"`          // the same from firing to resolved
	Subject   string    `json:"subject,omitempty"` // what the rule tells apart, such as an endpoint; "" where it does not
	Summary   string    `json:"summary"`           // one sentence for people, without markup
	Value     float64   `json:"value"`             // measured last
	Operator  Operator  `json:"operator"`
	Threshold float64   `json:"threshold"`
	Unit      string    `json:"unit,omitempty"` // of both: "USD", "ms", "calls", "bytes" or "" for shares and factors
	Since     time.Time `json:"since"`          // when it began to fire
	Until     time.Time `json:"until,omitzero"` // when it was resolved
}

// Channel takes messages to people. Implementations are safe for concurrent use.
//
// Errors: KindInvalid when the message can never be delivered, however often it
// is tried; KindCanceled or any other is temporary, and Error.RetryAfter says
// when to try again at the earliest where the other side said so. No error
// repeats an address or a secret.
type Channel interface {
	Send(ctx context.Context, n *Notification) error
}
