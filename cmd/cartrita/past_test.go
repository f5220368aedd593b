package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/model"
)

// summer answers with days or errors, one behind the other, then with no day.
type summer struct {
	answers []any
	asked   []time.Time
}

func (s *summer) SumDay(_ context.Context, over time.Time) (day time.Time, err error) {
	n := len(s.asked)
	s.asked = append(s.asked, over)
	if n < len(s.answers) {
		day, _ = s.answers[n].(time.Time)
		err, _ = s.answers[n].(error)
	}
	return day, err
}

func TestPastDaysAreSummedUpUntilNoneIsLeft(t *testing.T) {
	day := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	broken := errors.New("the disk is gone")
	for name, c := range map[string]struct {
		answers []any
		asked   int
		want    error
		logged  string
	}{
		"none":            {nil, 1, nil, ""},
		"one":             {[]any{day}, 2, nil, ""},
		"after a while":   {[]any{day, day.AddDate(0, 0, 1), day.AddDate(0, 0, 9)}, 4, nil, "days=3"},
		"calls came":      {[]any{day, model.Errorf("", model.KindConflict, "calls were stored meanwhile")}, 2, nil, "calls were stored meanwhile"},
		"another version": {[]any{day}, 0, nil, "several versions"},
		"one connection":  {[]any{model.Errorf("", model.KindInvalid, "too few connections")}, 1, nil, "too few connections"},
		"broken":          {[]any{day, broken}, 2, broken, ""},
	} {
		s, log := &summer{answers: c.answers}, &bytes.Buffer{}
		alike := func(context.Context) (bool, error) { return name != "another version", nil }
		err := pastJob(s, alike, slog.New(slog.NewTextHandler(log, nil))).Run(t.Context(), cluster.Fence{})
		if !errors.Is(err, c.want) || len(s.asked) != c.asked || !strings.Contains(log.String(), c.logged) || c.logged == "" && log.Len() > 0 {
			t.Errorf("%s: %v after %d questions, want %v after %d; logged %q", name, err, len(s.asked), c.want, c.asked, log)
		}
		if len(s.asked) == 0 {
			continue
		}
		if over := time.Since(s.asked[0]); over < pastWait || over > pastWait+time.Minute {
			t.Errorf("%s: days are over %s later", name, over)
		}
	}
}

func TestGatewaysOfOneVersion(t *testing.T) {
	for want, members := range map[bool][]cluster.Member{
		true:  {{Version: "2"}, {Version: "2"}},
		false: {{Version: "2"}, {Version: "1", Seen: time.Now().Add(-time.Hour)}},
	} {
		if oneVersion(members, "2") != want {
			t.Errorf("%+v: want %v", members, want)
		}
	}
}
