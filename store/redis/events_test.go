package redis

import (
	"bytes"
	"slices"
	"strconv"
	"testing"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/model"
)

func TestEventsOfTheStream(t *testing.T) {
	t.Parallel()
	c, _ := open(t, testserver.Keyspace(t))
	until(t, "a write", func() bool { return set(c, "1") == nil })
	e, ctx := c.Events(), t.Context()
	if last, err := e.Last(ctx); last != "" || err != nil {
		t.Fatalf("before: %q, %v", last, err)
	}
	if found, err := e.After(ctx, "", 10); len(found) > 0 || err != nil {
		t.Fatalf("before: %v, %v", found, err)
	}
	var data [][]byte
	for i := range 500 {
		data = append(data, append([]byte{0, '\r', '\n', 0xff}, strconv.Itoa(i)...))
	}
	ids, err := e.Put(ctx, data, 10_000)
	if err != nil || len(ids) != len(data) {
		t.Fatalf("%d ids, %v", len(ids), err)
	}
	if last, err := e.Last(ctx); last != ids[499] || err != nil {
		t.Errorf("the last is %q, want %q; %v", last, ids[499], err)
	}
	if err := e.Remove(ctx, append(slices.Clone(ids[10:20]), "1-1")); err != nil {
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
			t.Errorf("entry %d is %q with %q, want %q with %q", i, found[i].ID, found[i].Data, ids[at], data[at])
		}
	}
	if _, err := e.Put(ctx, data, 200); err != nil {
		t.Fatal(err)
	}
	if all, err := e.After(ctx, "", 2000); err != nil || len(all) < 200 || len(all) > 400 {
		t.Errorf("%d entries are kept of 990, want about 200; %v", len(all), err)
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
	_, err := c.Events().Put(t.Context(), [][]byte{{1}}, 10)
	_, read := c.Events().After(t.Context(), "", 1)
	_, last := c.Events().Last(t.Context())
	for _, err := range []error{err, read, last, c.Events().Remove(t.Context(), []string{"1-1"})} {
		if model.KindOf(err) != model.KindUnavailable {
			t.Errorf("an error is %v", err)
		}
	}
}
