package event

import (
	"math"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

func TestSampledPrompt(t *testing.T) {
	const n = 20_000
	for _, share := range []float64{0, 0.1, 0.5, 1, 2} {
		in := 0
		for range n {
			id := model.NewCallID()
			is := SampledPrompt(id, share)
			if is {
				in++
			}
			if is != SampledPrompt(id, share) || is && !SampledPrompt(id, share+0.1) {
				t.Fatalf("%s is in a sample of %v and not in the same or a larger one", id, share)
			}
		}
		if got, want := float64(in)/n, math.Min(share, 1); math.Abs(got-want) > 0.02 {
			t.Errorf("a sample of %v holds %v", share, got)
		}
	}
	// It is the same in every version: what a replay or another gateway says too.
	id, err := model.ParseCallID("01990a5d-ac96-774b-bcce-b302099a8057")
	if err != nil {
		t.Fatal(err)
	}
	if SampledPrompt(id, 0.988) || !SampledPrompt(id, 0.989) {
		t.Error("the sample is another than it was")
	}
}

func TestPromptCheck(t *testing.T) {
	good := Prompt{Call: model.CallID{1}, At: time.Unix(1, 0), Embedder: "e", Vector: []float32{1}}
	if err := good.Check("op"); err != nil {
		t.Error(err)
	}
	for field, spoil := range map[string]func(*Prompt){
		"call":     func(p *Prompt) { p.Call = model.CallID{} },
		"at":       func(p *Prompt) { p.At = time.Time{} },
		"embedder": func(p *Prompt) { p.Embedder = "" },
		"vector":   func(p *Prompt) { p.Vector = []float32{1, float32(math.NaN())} },
	} {
		p := good
		spoil(&p)
		if e := model.AsError(p.Check("op")); e == nil || e.Kind != model.KindInvalid || e.Param != field {
			t.Errorf("%s: %v", field, e)
		}
	}
}
