package redis

import (
	"fmt"
	"testing"

	"github.com/redis/rueidis"

	"github.com/cartrita/cartrita/internal/testserver"
)

func TestAStreamKeepsTheLatest(t *testing.T) {
	c, _ := open(t, testserver.Keyspace(t))
	stream := fmt.Sprint(t.Name(), t.TempDir())
	var entries [][]string
	for i := range 500 {
		entries = append(entries, []string{"n", fmt.Sprint(i), "text", "ü \r\n"})
	}
	if err := c.AddToStream(t.Context(), stream, 200, entries); err != nil {
		t.Fatal(err)
	}
	got, err := c.conn.Do(t.Context(), c.conn.B().Xrevrange().Key(stream).End("+").Start("-").Count(1000).Build()).AsXRange()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got); n < 200 || n >= 500 || got[0].FieldValues["n"] != "499" || got[0].FieldValues["text"] != "ü \r\n" {
		t.Errorf("%d entries, the last %v", n, got[0])
	}
	if err := c.conn.Do(t.Context(), c.conn.B().Del().Key(stream).Build()).Error(); err != nil && !rueidis.IsRedisNil(err) {
		t.Error(err)
	}
}
