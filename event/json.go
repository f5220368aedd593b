package event

import (
	"encoding/json"
	"time"

	"github.com/cartrita/cartrita/model"
)

// envelope is an event on the wire.
type envelope struct {
	ID     string          `json:"id"`
	Kind   Kind            `json:"type"`
	At     time.Time       `json:"time"`
	Call   *model.CallID   `json:"call_id,omitempty"` // absent in a notice
	Missed uint64          `json:"missed,omitempty"`
	Data   json.RawMessage `json:"data"`
}

// start is the data of a planned or started event; plan only of the former.
type start struct {
	Received  time.Time        `json:"received_at"`
	Surface   model.Surface    `json:"surface"`
	Task      model.Task       `json:"task_type"`
	Asked     string           `json:"model_asked"`
	Stream    bool             `json:"stream,omitempty"`
	Context   model.Context    `json:"context,omitzero"`
	Model     model.ModelID    `json:"model,omitempty"`
	Endpoint  model.EndpointID `json:"endpoint,omitempty"`
	Provider  string           `json:"provider,omitempty"`
	Estimated model.Money      `json:"estimated_usd,omitzero"`
	Plan      *model.Plan      `json:"plan,omitempty"`
}

// spent is the data of a cost event.
type spent struct {
	Task      model.Task          `json:"task_type"`
	Context   model.Context       `json:"context,omitzero"`
	Model     model.ModelID       `json:"model"`
	Endpoint  model.EndpointID    `json:"endpoint"`
	Provider  string              `json:"provider"`
	Usage     model.Usage         `json:"usage,omitzero"`
	Cost      model.CostBreakdown `json:"cost"`
	Estimated model.Money         `json:"estimated_usd,omitzero"`
}

// MarshalJSON writes the envelope (id, type, time, call_id) around the data.
func (e Event) MarshalJSON() ([]byte, error) {
	out := envelope{ID: e.ID, Kind: e.Kind, At: e.At, Call: &e.Call, Missed: e.Missed}
	if e.Notice != nil {
		out.Call = nil
	}
	var err error
	if out.Data, err = e.data(); err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// data is the part of the record that belongs to the kind, or the notice's. A
// plan is in the planned event alone.
func (e Event) data() (json.RawMessage, error) {
	if e.Notice != nil {
		return e.Notice, nil
	}
	r := e.Record
	if r == nil {
		r = new(model.Record)
	}
	switch e.Kind {
	case CallPlanned, CallStarted:
		s := start{Received: r.Received, Surface: r.Surface, Task: r.Task, Asked: r.Asked, Stream: r.Stream, Context: r.Context,
			Model: r.Model, Endpoint: r.Endpoint, Provider: r.Provider, Estimated: r.Estimated}
		if e.Kind == CallPlanned {
			s.Plan = r.Plan
		}
		return json.Marshal(s)
	case CostAccumulated:
		return json.Marshal(spent{Task: r.Task, Context: r.Context, Model: r.Model, Endpoint: r.Endpoint, Provider: r.Provider,
			Usage: r.Usage, Cost: r.Cost, Estimated: r.Estimated})
	default:
		return AppendRecord(nil, r), nil
	}
}

// UnmarshalJSON reads what MarshalJSON wrote; the record has the members that
// the kind carries.
func (e *Event) UnmarshalJSON(b []byte) error {
	var in envelope
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*e = Event{ID: in.ID, Kind: in.Kind, At: in.At, Missed: in.Missed}
	if in.Call == nil {
		e.Notice = in.Data
		return nil
	}
	e.Call, e.Record = *in.Call, &model.Record{ID: *in.Call}
	if len(in.Data) == 0 {
		return nil
	}
	return json.Unmarshal(in.Data, e.Record)
}
