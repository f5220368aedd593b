package alert

import (
	"reflect"
	"time"
)

// State is a rule that holds for a subject: it waits for its time, or fires.
type State struct {
	Rule     Rule      `json:"rule"` // as it is, or was when it was removed
	Subject  string    `json:"subject,omitempty"`
	Firing   bool      `json:"firing"`
	Incident string    `json:"incident,omitempty"`    // of one that fires
	Value    float64   `json:"value"`                 // measured last
	Since    time.Time `json:"since"`                 // from when on it held
	Fired    time.Time `json:"fired,omitzero"`        //
	Clear    time.Time `json:"clear_since,omitzero"`  // from when on it does not hold any more
	Told     time.Time `json:"last_message,omitzero"` // when somebody was told last
	// Configured says that the rule is one of a configuration, Missing from when on
	// it is not in that of the gateway that leads.
	Configured bool      `json:"configured,omitempty"`
	Missing    time.Time `json:"missing_since,omitzero"`
}

// missingFor is how long a rule of the configuration may be missing at the gateway
// that leads before what it fired is resolved: while a changed configuration
// reaches one gateway after the other, leaders differ.
const missingFor = 2 * time.Minute

func (s *State) missing(now time.Time) bool {
	return !s.Missing.IsZero() && now.Sub(s.Missing) >= missingFor
}

// same reports whether nothing differs.
func (s *State) same(o *State) bool {
	return s.Firing == o.Firing && s.Value == o.Value && s.Incident == o.Incident && s.Since.Equal(o.Since) && s.Fired.Equal(o.Fired) &&
		s.Clear.Equal(o.Clear) && s.Missing.Equal(o.Missing) && s.Configured == o.Configured && s.Told.Equal(o.Told) && reflect.DeepEqual(s.Rule, o.Rule)
}

// transition is what somebody is to be told of.
type transition struct {
	event Event
	state State
	at    time.Time
}

// step takes a state on: r is nil for a rule that is gone or disabled, was for
// one that did not hold, seen for a subject of which nothing is known. What is
// not known does not hold.
func step(r *Rule, was *State, seen *observation, now time.Time, incident func() string) (next *State, told Event) {
	holds := r != nil && seen != nil && r.Operator.holds(seen.value, *r.Threshold)
	if was == nil {
		if !holds {
			return nil, ""
		}
		was = &State{Subject: seen.subject, Since: now}
	}
	s := *was
	if r != nil {
		s.Rule, s.Missing = *r, time.Time{}
	}
	if seen != nil {
		s.Value = seen.value
	}
	switch {
	case !s.Firing && !holds:
		return nil, ""
	case !s.Firing && now.Sub(s.Since) < r.For.Std():
		return &s, ""
	case !s.Firing:
		s.Firing, s.Incident, s.Fired, s.Told = true, incident(), now, now
		return &s, Firing
	case holds:
		s.Clear = time.Time{}
		if r.Repeat > 0 && now.Sub(s.Told) >= r.Repeat.Std() {
			s.Told = now
			return &s, Reminder
		}
		return &s, ""
	}
	if s.Clear.IsZero() {
		s.Clear = now
	}
	if r != nil && now.Sub(s.Clear) < r.Clear.Std() {
		return &s, ""
	}
	return &s, Resolved
}
