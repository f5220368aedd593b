package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseAcceptsAndRefuses(t *testing.T) {
	deep := func(n int) string {
		return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	for _, c := range []struct {
		in, err string
	}{
		{`{}`, ""},
		{" {\n\"a\" : [1, -0.5e+3, true, null, {\"b\":\"\\u00e9\\\"\"}] } \r\n", ""},
		{`{"long":"` + strings.Repeat("x", 100) + `\n` + strings.Repeat("é", 50) + `"}`, ""},
		{deep(MaxDepth - 2), ""},
		{deep(MaxDepth + 1), "nested too deep"},
		{``, "found nothing"},
		{`[]`, "want a JSON object at byte 0"},
		{`{"a":1}x`, "text after the end of the object at byte 7"},
		{`{"a":1`, "ends too early"},
		{`{"a":"x`, "ends too early"},
		{`{"a":"\`, "ends too early"},
		{`{"a":01}`, "leading zero"},
		{`{"a":1.}`, "after the point"},
		{`{"a":1e}`, "exponent"},
		{`{"a":-}`, "want a digit"},
		{`{"a":tru}`, "want true"},
		{`{"a":"\x"}`, "unknown escape"},
		{`{"a":"\u12G4"}`, "hexadecimal"},
		{"{\"a\":\"b\nc\"}", "control character in a string at byte 7"},
		{"{\"a\":\"\xff\"}", "invalid UTF-8 at byte 6"},
		{`{"a" 1}`, "colon"},
		{`{"a":1,}`, "want a key"},
		{`{"a":[1 2]}`, "comma or the end of the array"},
		{`{"a":1 "b":2}`, "comma or the end of the object"},
		{`{a:1}`, "want a key in double quotes"},
		{`{"a":1,"b":2,"a":3}`, `key "a" stands twice`},
		{`{"model":1,"m\u006fdel":2}`, `key "model" stands twice`},
	} {
		_, err := Parse([]byte(c.in))
		switch {
		case c.err == "" && err != nil:
			t.Errorf("Parse(%.40q): %v", c.in, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("Parse(%.40q) = %v, want an error with %q", c.in, err, c.err)
		}
	}
}

func TestDuplicatesAmongManyKeys(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"k0":0`)
	for i := 1; i < 100; i++ {
		fmt.Fprintf(&b, `,"k%d":%d`, i, i)
	}
	if o, err := Parse([]byte(b.String() + "}")); err != nil || len(o.Members) != 100 {
		t.Fatalf("100 different keys: %d members, %v", len(o.Members), err)
	}
	var dup *DuplicateError
	if _, err := Parse([]byte(b.String() + `,"k50":1}`)); !errors.As(err, &dup) || dup.Key != "k50" {
		t.Fatalf("want a duplicate k50, got %v", err)
	}
}

func TestGetAndOffsets(t *testing.T) {
	o, err := Parse([]byte("  {\"a\": 1 , \"b\\n\":[2,\"}\"]}  "))
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := o.Get("a"); !ok || string(v) != "1" {
		t.Errorf("a = %q, %v", v, ok)
	}
	if v, ok := o.Get("b\n"); !ok || string(v) != `[2,"}"]` {
		t.Errorf("b\\n = %q, %v", v, ok)
	}
	if _, ok := o.Get("c"); ok {
		t.Error("c is there")
	}
	if o.Raw[0] != '{' || o.Raw[len(o.Raw)-1] != '}' {
		t.Errorf("Raw = %q", o.Raw)
	}
}

func TestEachStopsAndSkips(t *testing.T) {
	var got []string
	Each([]byte(` {"a": {"x":[1,"}"]}, "b":"\"", "c":3} `), func(k, v []byte) bool {
		got = append(got, string(k)+"="+string(v))
		return string(k) != `"b"`
	})
	if want := []string{`"a"={"x":[1,"}"]}`, `"b"="\""`}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	got = nil
	Each([]byte(`[1, [2] ,"x"]`), func(k, v []byte) bool {
		got = append(got, fmt.Sprintf("%v %s", k == nil, v))
		return true
	})
	if want := []string{"true 1", "true [2]", `true "x"`}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	Each([]byte(`"[1]"`), func(_, _ []byte) bool { t.Error("a string has no children"); return true })
}

func TestRewrite(t *testing.T) {
	for _, c := range []struct {
		in, want string
		edits    []Edit
	}{
		{`{"model": "auto", "x" : 1}`, `{"model": "gpt","x" : 1}`, []Edit{{"model", []byte(`"gpt"`)}}},
		{`{"a":1,"b":2,"c":3}`, `{"a":1,"c":3}`, []Edit{{"b", nil}}},
		{`{"a":1}`, `{}`, []Edit{{"a", nil}}},
		{`{"a":1}`, `{"b":2}`, []Edit{{"a", nil}, {"b", []byte("2")}}},
		{`{}`, `{"b":2}`, []Edit{{"b", []byte("2")}, {"c", nil}}},
		{`{"a":1}`, `{"a":1,"so":{"u":true}}`, []Edit{{"so", []byte(`{"u":true}`)}}},
	} {
		o, err := Parse([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Rewrite(nil, c.edits...); string(got) != c.want {
			t.Errorf("Rewrite(%s) = %s, want %s", c.in, got, c.want)
		}
	}
}

// FuzzParse holds Parse against encoding/json: it accepts what json accepts
// (objects, valid UTF-8, no duplicates, not too deep) and reads the same values.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"model":"auto","messages":[{"role":"user","content":"hi \"there\" \u00e9"}],"n":1e3}`,
		`{"a":{"b":[[],{}]},"c":null}`, `{"a":"\ud800"}`, `{"":0}`, `{`, `{"a":"` + strings.Repeat("y", 30) + "\x01\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		kept := bytes.Clone(in)
		o, err := Parse(in)
		if !bytes.Equal(kept, in) {
			t.Fatal("Parse changed its input")
		}
		var ref map[string]json.RawMessage
		refErr := json.Unmarshal(in, &ref)
		if err != nil {
			var dup *DuplicateError
			lenient := errors.As(err, &dup) || !utf8.Valid(in) || strings.Contains(err.Error(), "deep")
			if refErr == nil && ref != nil && !lenient {
				t.Fatalf("refused valid %q: %v", in, err)
			}
			return
		}
		if refErr != nil {
			t.Fatalf("accepted invalid %q: %v", in, refErr)
		}
		if len(ref) != len(o.Members) {
			t.Fatalf("%q: %d members, encoding/json has %d", in, len(o.Members), len(ref))
		}
		for k, v := range ref {
			if got, ok := o.Get(k); !ok || !bytes.Equal(got, v) {
				t.Fatalf("%q: member %q = %q, encoding/json has %q", in, k, got, v)
			}
			checkEach(t, v)
		}
		if again := o.Rewrite(nil); !sameJSON(again, in) {
			t.Fatalf("Rewrite changed %q to %q", in, again)
		}
	})
}

// checkEach holds Each against encoding/json, all the way down.
func checkEach(t *testing.T, raw []byte) {
	var object map[string]json.RawMessage
	var array []json.RawMessage
	if raw[0] == '{' && json.Unmarshal(raw, &object) != nil || raw[0] == '[' && json.Unmarshal(raw, &array) != nil {
		t.Fatalf("%q is not JSON", raw)
	}
	n := 0
	last := map[string][]byte{} // of duplicate keys the last counts, as in encoding/json
	Each(raw, func(key, value []byte) bool {
		if raw[0] == '[' {
			if key != nil || n >= len(array) || !bytes.Equal(value, array[n]) {
				t.Fatalf("%q: element %d is %q", raw, n, value)
			}
		} else {
			name, err := Unquote(key)
			if err != nil {
				t.Fatalf("%q: key %q: %v", raw, key, err)
			}
			last[name] = value
		}
		n++
		checkEach(t, value)
		return true
	})
	if raw[0] == '[' && n != len(array) || raw[0] == '{' && len(last) != len(object) {
		t.Fatalf("%q: %d children, encoding/json has %d and %d", raw, n, len(array), len(object))
	}
	for k, v := range last {
		if !bytes.Equal(v, object[k]) {
			t.Fatalf("%q: member %q is %q, encoding/json has %q", raw, k, v, object[k])
		}
	}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

func benchBody(n int) []byte {
	text, _ := json.Marshal(strings.Repeat("The quick \"brown\" fox\njumps over. ", n/34))
	return []byte(`{"model":"auto","stream":true,"messages":[{"role":"user","content":` + string(text) + `}],"temperature":0.5}`)
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1 << 10, 32 << 10} {
		body := benchBody(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEach(b *testing.B) {
	o, _ := Parse(benchBody(32 << 10))
	raw, _ := o.Get("messages")
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		Each(raw, func(_, _ []byte) bool { return true })
	}
}

func BenchmarkRewriteModel(b *testing.B) {
	o, _ := Parse(benchBody(1 << 10))
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = o.Rewrite(dst[:0], Edit{"model", []byte(`"llama"`)})
	}
}
