package redis

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

var _ event.SharedBuffer = (*Events)(nil)

// Events is a stream of calls that ended and are not stored yet. An entry has one
// field, call.
type Events struct {
	client *Client
	key    string
}

// Events returns the stream of that name.
func (c *Client) Events(name string) *Events { return &Events{c, c.key("events", name)} }

const callField = "call"

// Put implements event.SharedBuffer.
func (e *Events) Put(ctx context.Context, entries [][]byte, most int) (ids []event.EntryID, oldest event.EntryID, err error) {
	err = e.client.use(ctx, func(ctx context.Context, conn rueidis.Client) error {
		commands := make(rueidis.Commands, len(entries), len(entries)+1)
		for i, data := range entries {
			commands[i] = conn.B().Xadd().Key(e.key).Maxlen().Almost().Threshold(strconv.Itoa(most)).Id("*").
				FieldValue().FieldValue(callField, rueidis.BinaryString(data)).Build()
		}
		answers := conn.DoMulti(ctx, append(commands, conn.B().Xrange().Key(e.key).Start("-").End("+").Count(1).Build())...)
		ids = make([]event.EntryID, len(entries))
		for i := range entries {
			id, err := answers[i].ToString()
			if err == nil {
				ids[i], err = readID(id)
			}
			if err != nil {
				return err
			}
		}
		first, err := sharedEntries(answers[len(entries)])
		if len(first) > 0 {
			oldest = first[0].ID
		}
		return err
	})
	return ids, oldest, err
}

// After implements event.SharedBuffer. It asks for the entry of that id as well,
// which may be gone: servers before 6.2 know no range that begins behind one.
func (e *Events) After(ctx context.Context, id event.EntryID, limit int) (out []event.SharedEntry, err error) {
	err = e.client.use(ctx, func(ctx context.Context, conn rueidis.Client) error {
		out, err = sharedEntries(conn.Do(ctx, conn.B().Xrange().Key(e.key).Start(writeID(id)).End("+").Count(int64(limit)+1).Build()))
		return err
	})
	if len(out) > 0 && out[0].ID == id {
		out = out[1:]
	}
	return out[:min(len(out), limit)], err
}

// Last implements event.SharedBuffer.
func (e *Events) Last(ctx context.Context) (id event.EntryID, err error) {
	err = e.client.use(ctx, func(ctx context.Context, conn rueidis.Client) error {
		info, err := conn.Do(ctx, conn.B().XinfoStream().Key(e.key).Build()).AsMap()
		if answer, ok := rueidis.IsRedisErr(err); ok && strings.Contains(answer.Error(), "no such key") {
			return nil
		}
		if err != nil {
			return err
		}
		last := info["last-generated-id"]
		text, err := last.ToString()
		if err == nil {
			id, err = readID(text)
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
		if out[i].ID, err = readID(f.ID); err != nil {
			return nil, err
		}
		out[i].Data = []byte(f.FieldValues[callField])
	}
	return out, nil
}

// Remove implements event.SharedBuffer.
func (e *Events) Remove(ctx context.Context, ids []event.EntryID) error {
	if len(ids) == 0 {
		return nil
	}
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = writeID(id)
	}
	return e.client.use(ctx, func(ctx context.Context, conn rueidis.Client) error {
		return conn.Do(ctx, conn.B().Xdel().Key(e.key).Id(texts...).Build()).Error()
	})
}

// Claim implements event.SharedBuffer.
func (e *Events) Claim(ctx context.Context, holder string, ttl time.Duration) (now time.Time, held bool, err error) {
	key := e.key + ":salvager" // in the slot of the stream
	err = e.client.use(ctx, func(ctx context.Context, conn rueidis.Client) error {
		clock, err := conn.Do(ctx, conn.B().Time().Build()).AsStrSlice()
		if err != nil {
			return err
		}
		if now, err = readTime(clock); err != nil {
			return err
		}
		answers := conn.DoMulti(ctx,
			conn.B().Set().Key(key).Value(holder).Nx().Px(ttl).Build(),
			conn.B().Get().Key(key).Build())
		if err := answers[0].Error(); err != nil && !rueidis.IsRedisNil(err) {
			return err
		}
		who, err := answers[1].ToString()
		if err != nil {
			return err
		}
		if held = who == holder; !held {
			return nil
		}
		return conn.Do(ctx, conn.B().Pexpire().Key(key).Milliseconds(ttl.Milliseconds()).Build()).Error()
	})
	return now, held, err
}

// readTime reads the seconds and microseconds that a server answers.
func readTime(parts []string) (time.Time, error) {
	if len(parts) == 2 {
		seconds, err1 := strconv.ParseInt(parts[0], 10, 64)
		micros, err2 := strconv.ParseInt(parts[1], 10, 64)
		if err1 == nil && err2 == nil {
			return time.Unix(seconds, micros*1000), nil
		}
	}
	return time.Time{}, model.Errorf("redis.Events", model.KindUnavailable, "%q is no time of a server", parts)
}

// writeID and readID write and read an id as the server does: "1700000000000-0".
func writeID(id event.EntryID) string {
	return strconv.FormatUint(id.Time, 10) + "-" + strconv.FormatUint(id.Number, 10)
}

func readID(text string) (id event.EntryID, err error) {
	time, number, _ := strings.Cut(text, "-")
	if id.Time, err = strconv.ParseUint(time, 10, 64); err == nil {
		id.Number, err = strconv.ParseUint(number, 10, 64)
	}
	if err != nil {
		return id, model.Errorf("redis.Events", model.KindUnavailable, "%q is no id of a stream's entry", text)
	}
	return id, nil
}
