package strict

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
)

type inner struct {
	Name  string           `json:"name"`
	Level model.Priority   `json:"level,omitzero"`
	Price *model.Money     `json:"price,omitempty"`
	Notes []string         `json:"notes,omitempty"`
	Sizes map[string]int64 `json:"sizes,omitempty"`
}

type outer struct {
	Inner  inner           `json:"inner,omitzero"`
	List   []inner         `json:"list,omitempty"`
	Ratio  *float64        `json:"ratio,omitempty"`
	On     bool            `json:"on,omitempty"`
	Small  int8            `json:"small,omitempty"`
	At     time.Time       `json:"at,omitzero"`
	Raw    json.RawMessage `json:"raw,omitempty"`
	Hidden string          `json:"-"`
}

func TestDecodeNamesTheFieldAtFault(t *testing.T) {
	d := For[outer]("test")
	for _, c := range []struct{ body, param, message string }{
		{`[]`, "", "the body is not a valid JSON object: want a JSON object at byte 0"},
		{`{"on":true`, "", "the body is not a valid JSON object: the text ends too early at byte 10"},
		{`{"on":true,"on":false}`, "on", "stands twice in the body; want it once"},
		{`{"inner":{"name":"a","name":"b"}}`, "inner.name", "stands twice; want it once"},
		{`{"iner":{}}`, "iner", `unknown field; did you mean "inner"?`},
		{`{"zzzzzz":{}}`, "zzzzzz", `unknown field; there are at, inner, list, on, ratio, raw, small`},
		{`{"ON":true}`, "ON", `unknown field; there are at, inner, list, on, ratio, raw, small`},
		{`{"Hidden":"x"}`, "Hidden", `unknown field; there are at, inner, list, on, ratio, raw, small`},
		{`{"inner":{"nam":"x"}}`, "inner.nam", `unknown field; did you mean "name"?`},
		{`{"list":[{"name":"a"},{"name":5}]}`, "list[1].name", "want a string, found a number"},
		{`{"list":{}}`, "list", "want an array, found an object"},
		{`{"inner":[]}`, "inner", "want an object, found an array"},
		{`{"inner":{"sizes":{"a":1,"b":1.5}}}`, "inner.sizes.b", "want an integer of at most 64 bits, found 1.5"},
		{`{"inner":{"sizes":{"a":1,"a":2}}}`, "inner.sizes.a", "stands twice; want it once"},
		{`{"inner":{"level":"urgent"}}`, "inner.level", `unknown priority "urgent": want one of low, medium, high, critical`},
		{`{"inner":{"level":5}}`, "inner.level", "want a string, found a number"},
		{`{"inner":{"price":"x"}}`, "inner.price", `amount "x": want a decimal number of US dollars without quotes, such as 0.05`},
		{`{"at":"2h"}`, "at", `"2h": want a time such as 2026-11-23T18:00:00Z`},
		{`{"at":5}`, "at", `5: want a time such as 2026-11-23T18:00:00Z`},
		{`{"ratio":"1"}`, "ratio", "want a number, found a string"},
		{`{"ratio":1e999}`, "ratio", "want a number that fits a float, found 1e999"},
		{`{"on":1}`, "on", "want true or false, found a number"},
		{`{"small":300}`, "small", "want an integer of at most 8 bits, found 300"},
	} {
		var v outer
		err := d.Decode([]byte(c.body), &v)
		if err == nil || err.Param != c.param || err.Message != c.message || err.Op != "test" || err.Kind != model.KindInvalid {
			t.Errorf("%s: %+v", c.body, err)
		}
	}
}

func TestNullLeavesTheFieldAsItWas(t *testing.T) {
	ratio := 0.5
	v := outer{Ratio: &ratio, On: true, Inner: inner{Name: "a"}}
	if err := For[outer]("test").Decode([]byte(`{"ratio":null,"on":null,"inner":null,"raw":null,"list":null}`), &v); err != nil {
		t.Fatal(err)
	}
	if v.Ratio != &ratio || !v.On || v.Inner.Name != "a" || v.Raw != nil || v.List != nil {
		t.Errorf("%+v", v)
	}
}

// TestAgreesWithEncodingJSON: what encoding/json writes is read back the same.
func TestAgreesWithEncodingJSON(t *testing.T) {
	d := For[outer]("test")
	gen := rapid.Custom(func(t *rapid.T) inner {
		price := model.Money(rapid.Int64Min(-math.MaxInt64).Draw(t, "price")) // the least int64 is beyond what Money parses
		return inner{
			Name: rapid.String().Draw(t, "name"), Level: model.Priority(rapid.Int8Range(-1, 2).Draw(t, "level")), Price: &price,
			Notes: rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "notes"),
			Sizes: rapid.MapOfN(rapid.String(), rapid.Int64(), 1, 3).Draw(t, "sizes"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		ratio := rapid.Float64Range(-1e300, 1e300).Draw(t, "ratio")
		want := outer{
			Inner: gen.Draw(t, "inner"), List: rapid.SliceOfN(gen, 1, 3).Draw(t, "list"), Ratio: &ratio,
			On: rapid.Bool().Draw(t, "on"), Small: rapid.Int8().Draw(t, "small"), Raw: json.RawMessage(`{"a":[1]}`),
		}
		body, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got outer
		if err := d.Decode(body, &got); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", body, got, want)
		}
	})
}

// FuzzDecode: no panic, and what is accepted encoding/json accepts too.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"task_type":"chat-completions","context":{"priority":"high","budget_constraints":{"max_cost_usd":1}}}`))
	f.Add([]byte(`{"required_tags":["a",null],"required_features":["vision"],"messages":[{}],"max_risk_level":"low"}`))
	d := For[model.Criteria]("test")
	f.Fuzz(func(t *testing.T, body []byte) {
		var strict, loose model.Criteria
		if err := d.Decode(body, &strict); err != nil {
			if err.Kind != model.KindInvalid {
				t.Errorf("%v", err)
			}
			return
		}
		if err := json.Unmarshal(body, &loose); err != nil {
			t.Errorf("accepted %q, which encoding/json refuses: %v", body, err)
		}
	})
}

func TestHint(t *testing.T) {
	known := []string{"quality_weight", "cost_weight", "strategy", "context"}
	for name, want := range map[string]string{
		"qualty_weight": `; did you mean "quality_weight"?`, "cost-weight": `; did you mean "cost_weight"?`, "": "", "xyz": "", "contxt": `; did you mean "context"?`,
	} {
		if got := Hint(name, known); got != want {
			t.Errorf("Hint(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestFieldsOfEmbeddedStructsCount(t *testing.T) {
	type wide struct {
		outer
		Extra string `json:"extra"`
	}
	var v wide
	if err := For[wide]("test").Decode([]byte(`{"extra":"x","on":true}`), &v); err != nil || v.Extra != "x" || !v.On {
		t.Errorf("%+v, %v", v, err)
	}
	if err := For[wide]("test").Decode([]byte(`{"outer":{}}`), &v); err == nil || err.Param != "outer" {
		t.Errorf("the embedded struct itself is taken for a field: %v", err)
	}
}
