package redis

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

func TestURLs(t *testing.T) {
	for in, want := range map[string]struct {
		addresses, master, prefix string
		db                        int
		single                    bool
		timeout                   time.Duration
	}{
		"redis://h":                               {addresses: "h:6379", single: true},
		"redis://ada:s3cret@h:1/2":                {addresses: "h:1", db: 2, single: true},
		"redis://[::1]:7/?prefix=x:":              {addresses: "[::1]:7", prefix: "x:", single: true},
		"redis:///?socket=/run/r.sock&timeout=1s": {addresses: "/run/r.sock", single: true, timeout: time.Second},
		"redis://a,b:1,c/1?master=m":              {addresses: "a:26379 b:1 c:26379", master: "m", db: 1},
		"redis://a,b?cluster=true":                {addresses: "a:6379 b:6379"},
		"rediss://h":                              {addresses: "h:6379", single: true},
	} {
		got, err := parseURL(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if want.prefix == "" {
			want.prefix = DefaultPrefix
		}
		if want.timeout == 0 {
			want.timeout = DefaultTimeout
		}
		o := &got.option
		if strings.Join(o.InitAddress, " ") != want.addresses || o.Sentinel.MasterSet != want.master || o.SelectDB != want.db ||
			o.ForceSingleClient != want.single || got.prefix != want.prefix || got.timeout != want.timeout ||
			(o.TLSConfig != nil) != strings.HasPrefix(in, "rediss:") {
			t.Errorf("%s: %+v", in, got)
		}
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	for in, want := range map[string]string{
		"":                                     "want redis://",
		"http://h":                             "want redis://",
		"redis://ada:s3cret@h:port":            "host:6379",
		"redis:s3cret":                         "want redis://",
		"redis://ada:s3cret@h/#":               "want redis://",
		"redis://ada:s3cret@":                  "names no host",
		"redis://ada:s3cret@h/x":               "the database",
		"redis://ada:s3cret@h,/1?cluster=true": "host:6379",
		"redis://ada:s3cret@h:0":               "host:6379",
		"redis://ada:s3cret@h,i":               "add master=NAME or cluster=true",
		"redis://ada:s3cret@h?master=m&cluster=true": "exclude each other",
		"redis://ada:s3cret@h/1?cluster=true":        "no databases",
		"redis://ada:s3cret@h?cluster=yes":           "true or false",
		"redis://ada:s3cret@h?socket=/x":             "socket names a server by itself",
		"redis://ada:s3cret@h?timeout=1":             "timeout is a duration",
		"redis://ada:s3cret@h?prefix=":               "prefix is empty",
		"redis://ada:s3cret@h?prefix=a&prefix=b":     "given twice",
		"redis://ada:s3cret@h?tiemout=1s":            `"tiemout" is no parameter`,
		"redis://ada:s3cret@h?ca=/x":                 "belongs to rediss://",
		"rediss://ada:s3cret@h?ca=/nowhere":          "/nowhere cannot be read",
		"rediss://ada:s3cret@h?cert=/nowhere":        "cannot be read",
		"redis://h?%zz":                              "cannot be read",
	} {
		err := ParseURL(in)
		if model.KindOf(err) != model.KindInvalid || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}

func FuzzURL(f *testing.F) {
	for _, s := range []string{"redis://a:b@h:1/2?prefix=x", "rediss://h,i:2?master=m", "redis:///?socket=/x&timeout=1s", "redis://[::1]?cluster=true"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseURL(s)
		if err == nil && (len(got.option.InitAddress) == 0 || slices.Contains(got.option.InitAddress, "") || got.timeout <= 0) {
			t.Errorf("%q: %+v", s, got)
		}
	})
}
