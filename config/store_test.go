package config

import (
	"strings"
	"testing"
)

func TestPasswordsOfTheStoreAreNotShown(t *testing.T) {
	for in, want := range map[string]string{
		"postgres://ada:s3cret@db.example:5432/calls?sslmode=require": "postgres://ada:xxxxx@db.example:5432/calls?sslmode=require",
		"postgres://h/d?user=ada&password=s3cret&sslpassword=s3cret":  "postgres://h/d?password=xxxxx&sslpassword=xxxxx&user=ada",
		"postgresql://ada:s3cret@h1:1,h2:2/d":                         "postgresql://ada:xxxxx@h1:1,h2:2/d",
		"postgres:///d?host=/run/postgresql":                          "postgres:///d?host=/run/postgresql",
		"env:DATABASE_URL":                                            "env:DATABASE_URL",
		"file:/run/secrets/database":                                  "file:/run/secrets/database",
	} {
		l := parse(t, "store: '"+in+"'\n")
		text, err := Show(&l.Config)
		if err != nil || strings.Contains(string(text), "s3cret") || !strings.Contains(string(text), "store: "+want+"\n") {
			t.Errorf("%s: %v\n%.300s", in, err, text)
		}
		if l.Store != in {
			t.Errorf("masking changed the configuration itself to %s", l.Store)
		}
		other := Default()
		if diff := Diff(&l.Config, &other); len(diff) != 1 || diff[0].Old != want || !diff[0].Restart {
			t.Errorf("%s: the difference is %v", in, diff)
		}
	}
}

func TestThePasswordOfRedisIsNotShown(t *testing.T) {
	for in, want := range map[string]string{
		"redis://ada:s3cret@h1:1,h2:2/0?master=m&sentinel_password=s3cret": "redis://ada:xxxxx@h1:1,h2:2/0?master=m&sentinel_password=xxxxx",
		"rediss://:s3cret@h": "rediss://:xxxxx@h",
		"env:REDIS_URL":      "env:REDIS_URL",
	} {
		l := parse(t, "redis: '"+in+"'\n")
		text, err := Show(&l.Config)
		if err != nil || !strings.Contains(string(text), "redis: "+want+"\n") {
			t.Errorf("%s: %v\n%.300s", in, err, text)
		}
		other := Default()
		if diff := Diff(&l.Config, &other); len(diff) != 1 || diff[0].Old != want || !diff[0].Restart {
			t.Errorf("%s: the difference is %v", in, diff)
		}
	}
	for _, bad := range []string{"ada:s3cret@h", "http://ada:s3cret@h", "env:s3cret://x"} {
		_, err := Load(Options{File: "c.yaml", ReadFile: func(string) ([]byte, error) { return []byte("redis: '" + bad + "'\n"), nil }})
		if err == nil || !strings.Contains(err.Error(), "redis: want") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestProblemsOfTheStoreDoNotRepeatAPassword(t *testing.T) {
	for _, bad := range []string{
		"postgres://ada:s3cret@h:port/d", "postgres://ada:s3cret#x@h/d", "postgers://ada:s3cret@h/d", "ada:s3cret@h/d", "env:s3cret://x", "postgres://ada:s3cret@h/%zz",
		"host=db user=ada password=s3cret dbname=d", "dbname=d password=s3cret",
	} {
		for name, o := range map[string]Options{
			"file":     {File: "c.yaml", ReadFile: func(string) ([]byte, error) { return []byte("store: '" + bad + "'\n"), nil }},
			"flag":     {Flags: []Flag{{"--store", "store", bad}}},
			"variable": {Environ: []string{"CARTRITA_STORE=" + bad}},
		} {
			if _, err := Load(o); err == nil || !strings.Contains(err.Error(), "store: want") || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s in a %s: %v", bad, name, err)
			}
		}
	}
}
