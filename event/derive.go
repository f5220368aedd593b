package event

import (
	"time"

	"github.com/cartrita/cartrita/model"
)

// Of returns the events of a call in the order in which they happened:
//
//	a decision without a call   planned
//	a call                      planned, started, completed or failed, cost
//	a call refused before its   (planned, if a decision was taken,) failed
//	first attempt
func Of(c Call) []Event {
	var out []Event
	switch {
	case !c.Started.IsZero():
		out = planned(c.Started, c.Record)
	case c.Strategy != "":
		out = planned(c.Ended, c.Record)[:1]
	}
	return append(out, ended(c)...)
}

// planned returns the events of an intent.
func planned(at time.Time, rec *model.Record) []Event {
	before := beforeAttempts(rec)
	return []Event{
		{ID: eventID(rec.ID, '1'), Kind: CallPlanned, At: at, Call: rec.ID, Record: before},
		{ID: eventID(rec.ID, '2'), Kind: CallStarted, At: at, Call: rec.ID, Record: before},
	}
}

// ended returns the events of an outcome.
func ended(c Call) []Event {
	rec := c.Record
	terminal := Event{ID: eventID(rec.ID, '3'), Kind: CallCompleted, At: c.Ended, Call: rec.ID, Record: rec}
	switch {
	case rec.State == model.StatePlanned:
		return nil
	case rec.State == model.StateFailed:
		terminal.Kind = CallFailed
	}
	if len(rec.Attempts) == 0 {
		return []Event{terminal}
	}
	return []Event{terminal, {ID: eventID(rec.ID, '4'), Kind: CostAccumulated, At: c.Ended, Call: rec.ID, Record: rec}}
}

func eventID(id model.CallID, n byte) string {
	b := make([]byte, 0, 38)
	return string(append(id.AppendTo(b), '.', n))
}

// beforeAttempts returns what was known of a call before its first attempt.
func beforeAttempts(r *model.Record) *model.Record {
	out := &model.Record{
		ID: r.ID, Received: r.Received, Surface: r.Surface, Task: r.Task, Asked: r.Asked, Stream: r.Stream,
		Context: r.Context, Caller: r.Caller, Plan: r.Plan, State: model.StatePlanned, Estimated: r.Estimated,
		Model: r.Model, Endpoint: r.Endpoint, Provider: r.Provider,
	}
	if p := r.Plan; p != nil && len(p.Attempts) > 0 {
		out.Model, out.Endpoint = p.First().Model, p.First().Endpoint
		if r.Endpoint != out.Endpoint {
			out.Provider = ""
		}
	} else if len(r.Attempts) > 0 {
		out.Model, out.Endpoint = r.Attempts[0].Model, r.Attempts[0].Endpoint
		if r.Endpoint != out.Endpoint {
			out.Provider = ""
		}
	}
	if out.Provider == "" {
		out.Provider = out.Endpoint.Provider()
	}
	return out
}
