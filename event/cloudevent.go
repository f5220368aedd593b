package event

import (
	_ "embed"
	"encoding/json"
	"time"
)

// What every event says of itself as a CloudEvent 1.0 (cloudevents.io, JSON
// event format). The version is part of the type: data may gain members within
// it, never lose one or change what it means.
const (
	cloudVersion = "1.0"
	cloudSource  = "/cartrita"
	cloudPrefix  = "cartrita."
	cloudSuffix  = ".v1"
	cloudSchema  = "/api/v1/schema/event"
	cloudContent = "application/json"
)

// Schema is the JSON Schema of CloudEvent's JSON.
//
//go:embed event.schema.json
var Schema json.RawMessage

// cloudEvent is an event in the JSON format of CloudEvents.
type cloudEvent struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Subject     string          `json:"subject,omitempty"` // the call
	Time        time.Time       `json:"time"`
	ContentType string          `json:"datacontenttype"`
	Schema      string          `json:"dataschema"`
	Data        json.RawMessage `json:"data"`
}

// CloudType is the type of a kind of event as a CloudEvent.
func (k Kind) CloudType() string { return cloudPrefix + string(k) + cloudSuffix }

// CloudEvent returns the event as a CloudEvent in JSON. Its id is unique and
// stable: whoever is sent it twice can tell.
func (e Event) CloudEvent() ([]byte, error) {
	data, err := e.data()
	if err != nil {
		return nil, err
	}
	c := cloudEvent{
		SpecVersion: cloudVersion, ID: e.ID, Source: cloudSource, Type: e.Kind.CloudType(), Time: e.At.UTC(),
		ContentType: cloudContent, Schema: cloudSchema, Data: data,
	}
	if e.Notice == nil {
		c.Subject = e.Call.String()
	}
	return json.Marshal(c)
}
