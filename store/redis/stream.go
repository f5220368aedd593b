package redis

import (
	"context"
	"strconv"

	"github.com/redis/rueidis"
)

// AddToStream appends entries, each a list of fields and values in turn, to a
// stream, and drops the oldest beyond about length. The stream has the name as
// it is: others read it. Errors: KindUnavailable; some may have been appended.
func (c *Client) AddToStream(ctx context.Context, stream string, length int64, entries [][]string) error {
	return c.use(ctx, func(ctx context.Context, conn rueidis.Client) error {
		commands := make(rueidis.Commands, len(entries))
		for i, fields := range entries {
			commands[i] = conn.B().Arbitrary("XADD").Keys(stream).Args("MAXLEN", "~", strconv.FormatInt(length, 10), "*").Args(fields...).Build()
		}
		for _, resp := range conn.DoMulti(ctx, commands...) {
			if err := resp.Error(); err != nil {
				return err
			}
		}
		return nil
	})
}
