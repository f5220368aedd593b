package event_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/store/storetest"
)

// schema compiles the published schema.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(event.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("event", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("event")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCloudEventsAreAsPublished(t *testing.T) {
	s, kinds := schema(t), map[event.Kind]bool{}
	check := func(e event.Event) {
		raw, err := e.CloudEvent()
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err == nil {
			err = s.Validate(value)
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", e.Kind, err, raw)
		}
		kinds[e.Kind] = true
		for _, member := range []string{"type", "id", "data"} {
			broken := bytes.Replace(raw, []byte(`"`+member+`":`), []byte(`"other":`), 1)
			if value, err := jsonschema.UnmarshalJSON(bytes.NewReader(broken)); err != nil || s.Validate(value) == nil {
				t.Errorf("without its %s it is valid: %v", member, err)
			}
		}
	}
	for i := range 40 {
		c := storetest.Sample(i)
		rec, err := event.ParseRecord(c.RecordJSON, c.PlanJSON)
		if err != nil {
			t.Fatal(err)
		}
		c.Record = rec
		for _, e := range event.Of(c) {
			check(e)
		}
	}
	n := event.Notice{ID: "n", Kind: event.BudgetCrossed, At: time.Now(), Data: json.RawMessage(`{"budget":"b"}`)}
	check(n.Event())
	for _, k := range event.CallKinds {
		if !kinds[k] {
			t.Errorf("no event of kind %s was checked", k)
		}
	}
}
