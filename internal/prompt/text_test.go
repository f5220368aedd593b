package prompt

import (
	"strings"
	"testing"
)

func TestLastUser(t *testing.T) {
	for messages, want := range map[string]string{
		`[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":"th\u0072ee\n"}]`:                                    "three\n",
		`[{"content":"first","role":"user"},{"role":"tool","content":"result"}]`:                                                                             "first",
		`[{"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"x","text":"no"}},{"type":"text","text":"here"}]}]`: "look\nhere",
		`[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]`:                                                                         "",
		`[{"role":"system","content":"you are"}]`:                                                                                                            "",
		`[{"role":"user","content":null}]`:                                                                                                                   "",
		`[{"role":"user"}]`:                                                                                                                                  "",
		`[{"role":"user","content":"text"},{"role":"user"}]`:                                                                                                 "",
		`[{"r\u006fle":"us\u0065r","content":"escaped"}]`:                                                                                                    "escaped",
		`[{"role":"user","content":"0123456789abcdefü"}]`:                                                                                                    "0123456789abcdef",
		`[{"role":"user","content":"0123456789abcdeü"}]`:                                                                                                     "0123456789abcde",
		`[{"role":"user","content":[{"text":"0123456789"},{"text":"abcdefgh"},{"text":"never"}]}]`:                                                           "0123456789\nabcde",
	} {
		if got := LastUser([]byte(messages), 16); got != want {
			t.Errorf("%s: %q, want %q", messages, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for most := range 8 {
		if got := Cut("aüß€", most); len(got) > most || !strings.HasPrefix("aüß€", got) || strings.ContainsRune(got, '�') {
			t.Errorf("%d bytes: %q", most, got)
		}
	}
	if got := Cut("\xff\xbf\xbf", 2); len(got) > 2 {
		t.Errorf("%q", got)
	}
}
