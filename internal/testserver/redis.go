package testserver

import (
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"
)

// RedisVariable names the environment variable with the URL of a Redis server.
const RedisVariable = "CARTRITA_TEST_REDIS"

// sharedRedis is the private Redis server of this process.
var sharedRedis = sync.OnceValues(func() (*Redis, error) { return StartRedis() })

// Keyspace returns the URL of a Redis server with a prefix for keys that is the
// test's alone.
func Keyspace(t testing.TB) string {
	t.Helper()
	server := os.Getenv(RedisVariable)
	if server == "" {
		s, err := sharedRedis()
		if err != nil {
			skipRedis(t, err)
		}
		server = s.URL()
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s: want a URL", RedisVariable) // without the error: it repeats the password
	}
	q := u.Query()
	q.Set("prefix", fmt.Sprintf("cartrita_test_%d_%d_%d:", os.Getpid(), time.Now().UnixNano(), databases.Add(1)))
	u.RawQuery = q.Encode()
	return u.String()
}

// NewRedis starts an empty Redis server that is this test's alone, to be
// stopped, frozen and emptied. It keeps nothing on disk. The arguments are
// further options of redis-server, such as "--port", "6379".
func NewRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	s, err := StartRedis(args...)
	if err != nil {
		skip(t, err, "Redis", "")
	}
	t.Cleanup(s.Remove)
	return s
}

func skipRedis(t testing.TB, err error) {
	t.Helper()
	skip(t, err, "Redis", RedisVariable)
}
