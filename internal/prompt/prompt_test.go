package prompt

import (
	"encoding/json"
	"testing"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
)

func TestMessages(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     Size
		param    string // of the expected error
	}{
		{"strings", `[{"role":"system","content":"abc"},{"role":"user","content":"de\n"}]`, Size{Bytes: 7}, ""},
		{"parts", `[{"role":"user","content":[{"type":"text","text":"abcd"},{"type":"image_url","image_url":{"url":"data:xyz"}}]}]`,
			Size{Bytes: 4, Images: 1, Needs: model.Features(model.FeatureVision)}, ""},
		{"audio and file", `[{"role":"user","content":[{"type":"input_audio","input_audio":{}},{"type":"file","file":{}}]}]`,
			Size{Attached: 4, Needs: model.Features(model.FeatureAudioInput, model.FeatureFileInput)}, ""},
		{"sizes of parts", `[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA"}},{"type":"video_url","video_url":{"url":"data:"}}]}]`,
			Size{Attached: int64(len(`{"data":"AAAA"}{"url":"data:"}`)), Needs: model.Features(model.FeatureAudioInput)}, ""},
		{"a part from elsewhere", `[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]`,
			Size{Attached: Anything, Needs: model.Features(model.FeatureFileInput)}, ""},
		{"a video from elsewhere", `[{"role":"user","content":[{"type":"video_url","video_url":{"url":"https://x"}}]}]`, Size{Attached: Anything}, ""},
		{"reasoning", `[{"role":"assistant","content":"a","reasoning":"bcd","reasoning_details":[{"x":1}]}]`, Size{Bytes: 4 + int64(len(`[{"x":1}]`))}, ""},
		{"tool call without content", `[{"role":"assistant","content":null,"tool_calls":[{"id":"x"}]}]`, Size{Bytes: 12}, ""},
		{"escaped keys", `[{"\u0072ole":"user","\u0063ontent":[{"image\u005furl":{}},{"te\u0078t":"abc"}]}]`,
			Size{Bytes: 3, Images: 1, Needs: model.Features(model.FeatureVision)}, ""},
		{"no array", `"hi"`, Size{}, "messages"},
		{"empty", `[]`, Size{}, "messages"},
		{"no object", `[{"role":"user","content":"a"},"b"]`, Size{}, "messages[1]"},
		{"no role", `[{"content":"a"}]`, Size{}, "messages[0].role"},
		{"content is a number", `[{"role":"user","content":5}]`, Size{}, "messages[0].content"},
		{"part is a string", `[{"role":"user","content":["a"]}]`, Size{}, "messages[0].content[0]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Messages([]byte(c.in))
			if c.param != "" {
				if e := model.AsError(err); e == nil || e.Kind != model.KindInvalid || e.Param != c.param {
					t.Fatalf("error %v, want one about %s", err, c.param)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("%+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string][4]int64{
		`"abc"`:            {3, 0, 1, 0},
		`["ab","c"]`:       {3, 0, 2, 2},
		`[1,2,3]`:          {0, 3, 1, 0},
		`[[1],[2,3]]`:      {0, 3, 2, 2},
		`[]`:               {0, 0, 1, 0},
		`{"not":"a text"}`: {0, 0, 1, 0},
	} {
		got := Text([]byte(in))
		if [4]int64{got.Bytes, got.Tokens, got.Count, got.Largest} != want {
			t.Errorf("Text(%s) = %+v; want bytes, tokens, texts, largest %v", in, got, want)
		}
	}
}

// FuzzMessages: no validated array makes it panic, and what it counts is
// never more than what is there.
func FuzzMessages(f *testing.F) {
	for _, s := range []string{
		`[{"role":"user","content":"hi"}]`, `[{"role":"user","content":[{"type":"text","text":"a"}]}]`, `[[]]`, `[{"role":1}]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if !json.Valid(in) {
			return
		}
		obj, err := jsonscan.Parse(append(append([]byte(`{"m":`), in...), '}'))
		if err != nil {
			return
		}
		raw, _ := obj.Get("m")
		if s, err := Messages(raw); err == nil && (s.Bytes < 0 || s.Bytes > int64(len(raw)) || s.Images > len(raw)) {
			t.Fatalf("%q: %+v", in, s)
		}
		if s := Text(raw); s.Bytes > int64(len(raw)) || s.Tokens > int64(len(raw)) || s.Largest > s.Bytes+s.Tokens {
			t.Fatalf("%q: %+v", in, s)
		}
	})
}

func BenchmarkMessages(b *testing.B) {
	in := []byte(`[{"role":"system","content":"You are kind."},{"role":"user","content":"Why do rivers bend?"}]`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Messages(in); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTextKind(t *testing.T) {
	prose := `"The river bends because the outer bank erodes faster, as Einstein noted in 1926; see (Leopold, 1966)."`
	code := `"for i := 0; i < len(xs); i++ {\n\tif xs[i] == nil {\n\t\treturn fmt.Errorf(\"no x: %d\", i)\n\t}\n}"`
	for in, want := range map[string]model.TextKind{
		prose: model.TextProse,
		code:  model.TextCode,
		`"<ul><li class=\"a\">one</li><li class=\"b\">two</li></ul>"`: model.TextCode,
		`"Die Straße führt über die Brücke, an der Mühle vorbei."`:    model.TextProse,
		`"Почему реки изгибаются на равнинах?"`:                       model.TextScript,
		`"河はなぜ曲がるのか"`:                                                 model.TextScript,
		`"\u6cb3\u306f\u306a\u305c\u66f2\u304c\u308b\u306e\u304b"`:    model.TextEscaped,
		`"caf\u00e9 is one of few words here with such an escape"`:    model.TextProse,
		`""`:      model.TextProse,
		`[1,2,3]`: model.TextProse,
	} {
		if s := Text([]byte(in)); s.Text != want {
			t.Errorf("Text(%s) looks like %s, want %s", in, s.Text, want)
		}
		if in[0] == '[' {
			continue
		}
		if s, err := Messages([]byte(`[{"role":"user","content":` + in + `}]`)); err != nil || s.Text != want {
			t.Errorf("Messages(%s) looks like %s (%v), want %s", in, s.Text, err, want)
		}
	}
}

func TestKindOfALongTextLooksPastItsBeginning(t *testing.T) {
	text := []byte(`[{"role":"user","content":"`)
	for range 8 {
		text = append(text, "Please review what follows and say what could go wrong with it. "...)
	}
	for range 2000 {
		text = append(text, `if (a[i] != b) { return f(x); }\n`...)
	}
	text = append(text, `"}]`...)
	if s, err := Messages(text); err != nil || s.Text != model.TextCode {
		t.Errorf("looks like %s (%v), want code", s.Text, err)
	}
}
