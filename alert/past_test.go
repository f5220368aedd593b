package alert_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/memory"
)

// readings counts the samples that are read.
type readings struct {
	*memory.Store
	read int
}

func (r *readings) Samples(ctx context.Context, rule, version string, since time.Time) ([]alert.Sample, error) {
	out, err := r.Store.Samples(ctx, rule, version, since)
	r.read += len(out)
	return out, err
}

// TestThePastIsReadSeldom: of a long window an evaluation reads its end, and the
// value is that of the whole window; also when the window slides, and soon after
// calls came that ended long ago.
func TestThePastIsReadSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := memory.New(memory.Config{})
		if err != nil {
			t.Fatal(err)
		}
		store := &readings{Store: s}
		rules, err := alert.CheckRules([]alert.Rule{{Name: "r", Type: alert.CostThreshold, Threshold: number(0), Window: alert.MaxWindow}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		e := alert.New(alert.Config{Store: store, Gateway: "g"})
		e.Configure(alert.Settings{Rules: rules})
		sampler := e.Sampler()
		spend := func(ended time.Time) {
			sampler.Add([]alert.Call{{Ended: ended, Cost: model.USD}})
			if err := sampler.Flush(t.Context(), store.SaveSamples); err != nil {
				t.Fatal(err)
			}
		}
		evaluate := func() (value float64, read int) {
			store.read = 0
			if err := e.Evaluate(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			board, err := e.Board(t.Context())
			if err != nil || len(board.States) != 1 {
				t.Fatalf("%+v, %v", board, err)
			}
			return board.States[0].Value, store.read
		}
		for range 96 { // one for each piece of a day
			spend(time.Now())
			evaluate()
			time.Sleep(15 * time.Minute)
		}
		value, _ := evaluate()
		if value != 96 {
			t.Fatalf("$%v were spent in a day, want 96", value)
		}
		for range 100 {
			spend(time.Now())
			time.Sleep(5 * time.Second)
			want := value + 1
			var read int
			if value, read = evaluate(); value != want {
				t.Fatalf("$%v, want %v", value, want)
			}
			if read > 8 { // of about 100
				t.Fatalf("%d samples are read for the next evaluation", read)
			}
		}
		spend(time.Now().Add(-12 * time.Hour))
		time.Sleep(15 * time.Minute)
		spend(time.Now())
		want := value + 1 // one more, and one that came late; one is too old by now
		if value, _ = evaluate(); value != want {
			t.Errorf("with what came late: $%v, want %v", value, want)
		}
	})
}
