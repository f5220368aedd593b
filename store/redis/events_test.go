package redis

import (
	"bytes"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/model"
)

func TestEventsOfTheStream(t *testing.T) {
	t.Parallel()
	c, _ := open(t, testserver.Keyspace(t))
	until(t, "a write", func() bool { return set(c, "1") == nil })
	e, ctx := c.Events("a"), t.Context()
	if last, err := e.Last(ctx); last != (event.EntryID{}) || err != nil {
		t.Fatalf("before: %v, %v", last, err)
	}
	if found, err := e.After(ctx, event.EntryID{}, 10); len(found) > 0 || err != nil {
		t.Fatalf("before: %v, %v", found, err)
	}
	var data [][]byte
	for i := range 500 {
		data = append(data, append([]byte{0, '\r', '\n', 0xff}, strconv.Itoa(i)...))
	}
	ids, oldest, err := e.Put(ctx, data, 10_000)
	if err != nil || len(ids) != len(data) || oldest != ids[0] {
		t.Fatalf("%d ids, the oldest is %v, %v", len(ids), oldest, err)
	}
	if last, err := e.Last(ctx); last != ids[499] || err != nil {
		t.Errorf("the last is %v, want %v; %v", last, ids[499], err)
	}
	if err := e.Remove(ctx, append(slices.Clone(ids[10:20]), event.EntryID{Time: 1, Number: 1})); err != nil {
		t.Fatal(err)
	}
	if err := e.Remove(ctx, nil); err != nil {
		t.Fatal(err)
	}
	found, err := e.After(ctx, ids[8], 3)
	if err != nil || len(found) != 3 {
		t.Fatalf("%d entries, %v", len(found), err)
	}
	for i, at := range []int{9, 20, 21} {
		if found[i].ID != ids[at] || !bytes.Equal(found[i].Data, data[at]) {
			t.Errorf("entry %d is %v with %q, want %v with %q", i, found[i].ID, found[i].Data, ids[at], data[at])
		}
	}
	if _, oldest, err = e.Put(ctx, data, 200); err != nil || oldest.Compare(ids[499]) <= 0 {
		t.Errorf("with 990 put and about 200 kept the oldest is %v, %v", oldest, err)
	}
	if all, err := e.After(ctx, event.EntryID{}, 2000); err != nil || len(all) < 200 || len(all) > 400 || all[0].ID != oldest {
		t.Errorf("%d entries are kept of 990, want about 200; %v", len(all), err)
	} else {
		ids = nil
		for _, e := range all {
			ids = append(ids, e.ID)
		}
	}
	// Of what others have nothing is to be seen, and what was the last is not forgotten.
	if found, err := c.Events("b").After(ctx, event.EntryID{}, 10); len(found) > 0 || err != nil {
		t.Errorf("another stream has %d entries, %v", len(found), err)
	}
	if err := e.Remove(ctx, ids); err != nil {
		t.Fatal(err)
	}
	if last, err := e.Last(ctx); last != ids[len(ids)-1] || err != nil {
		t.Errorf("the last of an empty stream is %v, want %v; %v", last, ids[len(ids)-1], err)
	}
}

// One holder salvages until its time is over, and a database of its own is nobody
// else's, also under the same prefix.
func TestOneClaimsAStream(t *testing.T) {
	t.Parallel()
	url := testserver.Keyspace(t)
	open := func(owner string) *Events {
		c, err := New(Config{URL: url, Owner: owner})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.close)
		c.Connect(t.Context())
		return c.Events("x")
	}
	ours, theirs := open("us"), open("them")
	claim := func(e *Events, holder string, want bool) {
		t.Helper()
		now, held, err := e.Claim(t.Context(), holder, time.Second)
		if err != nil || held != want || time.Since(now).Abs() > time.Minute {
			t.Errorf("%s: %v at %s, %v", holder, held, now, err)
		}
	}
	claim(ours, "a", true)
	claim(ours, "b", false)
	claim(theirs, "b", true)
	time.Sleep(600 * time.Millisecond)
	claim(ours, "a", true) // for another second
	time.Sleep(600 * time.Millisecond)
	claim(ours, "b", false)
	time.Sleep(600 * time.Millisecond)
	claim(ours, "b", true)

	if _, _, err := ours.Put(t.Context(), [][]byte{{1}}, 10); err != nil {
		t.Fatal(err)
	}
	if found, err := theirs.After(t.Context(), event.EntryID{}, 10); err != nil || len(found) > 0 {
		t.Errorf("%d entries of another owner, %v", len(found), err)
	}
}

// While the server is away the stream says so at once.
func TestEventsWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	server := testserver.NewRedis(t)
	c, _ := open(t, server.URL())
	until(t, "a write", func() bool { return set(c, "1") == nil })
	server.Stop(t)
	until(t, "the end of the connection", func() bool { return !c.Available() })
	_, _, err := c.Events("a").Put(t.Context(), [][]byte{{1}}, 10)
	_, read := c.Events("a").After(t.Context(), event.EntryID{}, 1)
	_, last := c.Events("a").Last(t.Context())
	_, _, claim := c.Events("a").Claim(t.Context(), "a", time.Second)
	for _, err := range []error{err, read, last, claim, c.Events("a").Remove(t.Context(), []event.EntryID{{Time: 1}})} {
		if model.KindOf(err) != model.KindUnavailable {
			t.Errorf("an error is %v", err)
		}
	}
}
