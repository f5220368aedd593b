package redis

import (
	"cmp"
	"context"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/cartrita/cartrita/event"
)

var _ event.SharedBuffer = (*Events)(nil)

// Events is the stream of calls that ended and are not stored yet. An entry has
// one field, call.
type Events struct{ client *Client }

// Events returns it.
func (c *Client) Events() *Events { return &Events{c} }

const callField = "call"

func (e *Events) key() string { return e.client.key("events") }

// Put implements event.SharedBuffer. With an error some may be in the stream.
func (e *Events) Put(ctx context.Context, entries [][]byte, most int) (ids []string, err error) {
	err = e.client.use(ctx, func(ctx context.Context, conn rueidis.Client) error {
		commands := make(rueidis.Commands, len(entries))
		for i, data := range entries {
			commands[i] = conn.B().Xadd().Key(e.key()).Maxlen().Almost().Threshold(strconv.Itoa(most)).Id("*").
				FieldValue().FieldValue(callField, rueidis.BinaryString(data)).Build()
		}
		ids = make([]string, len(entries))
		for i, resp := range conn.DoMulti(ctx, commands...) {
			if ids[i], err = resp.ToString(); err != nil {
				return err
			}
		}
		return nil
	})
	return ids, err
}

// After implements event.SharedBuffer. It asks for the entry of that id as well,
// which may be gone: servers before 6.2 know no range that begins behind one.
func (e *Events) After(ctx context.Context, id string, limit int) (out []event.SharedEntry, err error) {
	err = e.client.use(ctx, func(ctx context.Context, conn rueidis.Client) error {
		out, err = sharedEntries(conn.Do(ctx, conn.B().Xrange().Key(e.key()).Start(cmp.Or(id, "-")).End("+").Count(int64(limit)+1).Build()))
		return err
	})
	if len(out) > 0 && out[0].ID == id {
		out = out[1:]
	}
	return out[:min(len(out), limit)], err
}

// Last implements event.SharedBuffer.
func (e *Events) Last(ctx context.Context) (id string, err error) {
	err = e.client.use(ctx, func(ctx context.Context, conn rueidis.Client) error {
		last, err := sharedEntries(conn.Do(ctx, conn.B().Xrevrange().Key(e.key()).End("+").Start("-").Count(1).Build()))
		if len(last) > 0 {
			id = last[0].ID
		}
		return err
	})
	return id, err
}

func sharedEntries(resp rueidis.RedisResult) ([]event.SharedEntry, error) {
	found, err := resp.AsXRange()
	if err != nil {
		return nil, err
	}
	out := make([]event.SharedEntry, len(found))
	for i, f := range found {
		out[i] = event.SharedEntry{ID: f.ID, Data: []byte(f.FieldValues[callField])}
	}
	return out, nil
}

// Remove implements event.SharedBuffer.
func (e *Events) Remove(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return e.client.use(ctx, func(ctx context.Context, conn rueidis.Client) error {
		return conn.Do(ctx, conn.B().Xdel().Key(e.key()).Id(ids...).Build()).Error()
	})
}
