package alert

import (
	"reflect"
	"slices"
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
	// Heard are the channels that were told that it fires; nil where an earlier version
	// told those of the rule.
	Heard []string `json:"channels_told,omitzero"`
	// Unmeasured is from when on nothing is measured of one that fires, and Value is
	// what it was before.
	Unmeasured time.Time `json:"unmeasured_since,omitzero"`
	// Configured says that the rule is one of a configuration, Missing from when on
	// it is not in that of the gateway that leads.
	Configured bool      `json:"configured,omitempty"`
	Missing    time.Time `json:"missing_since,omitzero"`
}

// missingFor is how long a rule of the configuration may be missing at the gateway
// that leads before what it fired is resolved: while a changed configuration
// reaches one gateway after the other, leaders differ.
const missingFor = 2 * time.Minute

// unmeasuredFor is how long a share or a latency that fires goes on without being
// measured: that nobody calls does not say that all is well.
const unmeasuredFor = time.Hour

func (s *State) missing(now time.Time) bool {
	return !s.Missing.IsZero() && now.Sub(s.Missing) >= missingFor
}

// same reports whether nothing differs.
func (s *State) same(o *State) bool {
	return s.Firing == o.Firing && s.Value == o.Value && s.Incident == o.Incident && s.Since.Equal(o.Since) && s.Fired.Equal(o.Fired) &&
		s.Clear.Equal(o.Clear) && s.Missing.Equal(o.Missing) && s.Configured == o.Configured && s.Told.Equal(o.Told) &&
		s.Unmeasured.Equal(o.Unmeasured) && reflect.DeepEqual(s.Heard, o.Heard) && reflect.DeepEqual(s.Rule, o.Rule)
}

// setBack has what lies in the future, because the clock was set back, begin now.
func (s *State) setBack(now time.Time) {
	for _, at := range [...]*time.Time{&s.Since, &s.Clear, &s.Told, &s.Unmeasured} {
		if at.After(now) {
			*at = now
		}
	}
}

// transition is what somebody is to be told of.
type transition struct {
	event    Event
	state    State
	channels []string
	at       time.Time
}

// advance takes all states on. The first of the rules, so many, are those of the
// configuration; channels are those that a rule tells. late is what channels hear
// that fires already.
func advance(rules []Rule, configured int, states []State, m *measured, channels func(*Rule) []string, id func() string) (c Change, transitions, late []transition) {
	before := map[StateKey]*State{}
	for i := range states {
		before[states[i].Key()] = &states[i]
	}
	move := func(r *Rule, was *State, seen *observation) {
		next, event := step(r, was, seen, m.now, id)
		if r != nil && next != nil {
			next.Configured = slices.ContainsFunc(rules[:configured], func(c Rule) bool { return c.Name == r.Name })
		}
		if next != nil && next.Firing {
			told, behind := next.hear(event, was, channels)
			if event != "" {
				transitions = append(transitions, transition{event, *next, told, m.now})
			}
			if len(behind) > 0 {
				late = append(late, transition{Firing, *next, behind, m.now})
			}
		}
		switch {
		case event == Resolved || next == nil && was != nil:
			c.Gone = append(c.Gone, was.Key())
		case next != nil && (was == nil || !was.same(next)):
			c.States = append(c.States, *next)
		}
	}
	for i := range rules {
		r := &rules[i]
		if !*r.Enabled {
			continue
		}
		for _, seen := range m.observe(r) {
			key := StateKey{r.Name, seen.subject}
			move(r, before[key], &seen)
			delete(before, key)
		}
	}
	for i := range states { // of which nothing is known now, or whose rule is gone
		was := &states[i]
		if before[was.Key()] == nil {
			continue
		}
		var r *Rule
		at := slices.IndexFunc(rules, func(r Rule) bool { return r.Name == was.Rule.Name })
		if at >= 0 && *rules[at].Enabled {
			r = &rules[at]
		}
		if at < 0 && was.Configured && !was.missing(m.now) {
			// Not in the file of this gateway, but perhaps still, or already, in
			// those of others: it may not be the one to lead for long.
			if was.Missing.IsZero() || was.Missing.After(m.now) {
				waits := *was
				waits.Missing = m.now
				c.States = append(c.States, waits)
			}
			continue
		}
		if r == nil || r.version() != was.Rule.version() { // it is gone, or measures something else
			move(nil, was, nil)
			continue
		}
		move(r, was, m.none(r, was.Subject))
	}
	return c, transitions, late
}

// hear notes who hears that a state fires, and returns whom to tell of an event and
// whom, late, that it fires: while it does its rule may come to tell others. Its end
// all hear who heard of its beginning.
func (s *State) hear(e Event, was *State, channels func(*Rule) []string) (told, late []string) {
	now := channels(&s.Rule)
	if e == Firing {
		s.Heard = append([]string{}, now...)
		return now, nil
	}
	if s.Heard == nil {
		s.Heard = append([]string{}, channels(&was.Rule)...)
	}
	if e == Resolved {
		return s.Heard, nil
	}
	for _, c := range now {
		if slices.Contains(s.Heard, c) {
			told = append(told, c)
		} else {
			late = append(late, c)
		}
	}
	s.Heard = append(slices.Clip(s.Heard), late...)
	return told, late
}

// step takes a state on: r is nil for a rule that is gone or disabled, was for
// one that did not hold, seen for a subject of which nothing is known. What is
// not known does not hold, except that a share or a latency that fires goes on for
// unmeasuredFor.
func step(r *Rule, was *State, seen *observation, now time.Time, incident func() string) (next *State, told Event) {
	holds := r != nil && seen != nil && r.Operator.holds(seen.value, *r.Threshold)
	if was == nil {
		if !holds {
			return nil, ""
		}
		was = &State{Subject: seen.subject, Since: now}
	}
	s := *was
	s.setBack(now)
	if r != nil {
		s.Rule, s.Missing = *r, time.Time{}
	}
	switch {
	case seen != nil:
		s.Value, s.Unmeasured = seen.value, time.Time{}
	case s.Firing && s.Clear.IsZero() && r != nil && slices.Contains(sparse, r.Type):
		if s.Unmeasured.IsZero() {
			s.Unmeasured = now
		}
		if now.Sub(s.Unmeasured) >= max(unmeasuredFor, r.Clear.Std()) {
			return &s, Resolved
		}
		holds = true
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
