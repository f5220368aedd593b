package redis

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/cartrita/cartrita/model"
)

// The defaults of a URL.
const (
	DefaultPrefix  = "cartrita:"
	DefaultTimeout = 250 * time.Millisecond
	defaultPort    = "6379"
	sentinelPort   = "26379"
)

// target is where a URL points.
type target struct {
	option  rueidis.ClientOption
	prefix  string
	timeout time.Duration
}

const opURL = "redis.ParseURL"

// ParseURL checks the URL of a Redis server:
//
//	redis://user:password@host:6379/0      one server, and a database of it
//	rediss://…                             over TLS
//	redis:///?socket=/run/redis.sock       a Unix socket
//	redis://h1:26379,h2,h3/0?master=main   the master of that name, by its sentinels
//	redis://h1,h2,h3?cluster=true          a cluster, by some of its nodes
//
// Parameters: master with sentinel_user and sentinel_password, cluster, socket;
// prefix of all keys (default "cartrita:"); timeout of a command (default 250ms);
// ca, cert and key, the files of a certificate authority and of a client's own
// certificate. The error is KindInvalid and holds no password.
func ParseURL(s string) error {
	_, err := parseURL(s)
	return err
}

func parseURL(s string) (*target, error) {
	u, hosts, err := takeApart(s)
	if err != nil {
		return nil, err
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, invalid("the parameters behind ? cannot be read")
	}
	p := parameters{left: q}
	t := &target{prefix: p.text("prefix", DefaultPrefix)}
	o := &t.option
	o.ClientName, o.DisableCache, o.DisableRetry = "cartrita", true, true
	o.Username, o.Password = credentials(u)
	o.SelectDB = p.number("database", strings.Trim(u.Path, "/"))
	t.timeout = p.duration("timeout", DefaultTimeout)
	o.ConnWriteTimeout = max(2*time.Second, 2*t.timeout) // after which a silent connection is replaced
	o.Dialer.Timeout = max(time.Second, t.timeout)
	o.BlockingPoolSize, o.RingScaleEachConn = 64, 9
	o.ReadBufferEachConn, o.WriteBufferEachConn = 32<<10, 32<<10
	p.topology(o, hosts)
	if u.Scheme == "rediss" {
		o.TLSConfig = p.tls()
		o.Sentinel.TLSConfig = o.TLSConfig
	}
	return t, p.finish()
}

// takeApart reads a URL of which the hosts are apart.
func takeApart(s string) (u *url.URL, hosts string, err error) {
	one, hosts := splitHosts(s)
	u, err = url.Parse(one)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Opaque != "" || strings.Contains(s, "#") {
		return nil, "", invalid("want redis://user:password@host:6379/0 or rediss://…; write %%23 for # and %%2F for / in a password")
	}
	return u, hosts, nil
}

func credentials(u *url.URL) (user, password string) {
	password, _ = u.User.Password()
	return u.User.Username(), password
}

// splitHosts returns the URL without its hosts, of which package url takes one.
func splitHosts(s string) (without, hosts string) {
	start := strings.Index(s, "://") + len("://")
	if start < len("://") {
		return s, ""
	}
	end := len(s)
	if i := strings.IndexAny(s[start:], "/?#"); i >= 0 {
		end = start + i
	}
	start += strings.LastIndexByte(s[start:end], '@') + 1
	return s[:start] + s[end:], s[start:end]
}

func invalid(format string, args ...any) *model.Error {
	return model.Errorf(opURL, model.KindInvalid, format, args...)
}

// parameters takes the parameters of a URL one by one and keeps the first error.
type parameters struct {
	left url.Values
	err  *model.Error
}

func (p *parameters) fail(format string, args ...any) {
	if p.err == nil {
		p.err = invalid(format, args...)
	}
}

func (p *parameters) text(name, def string) string {
	values, given := p.left[name]
	delete(p.left, name)
	switch {
	case !given:
		return def
	case len(values) > 1:
		p.fail("%s is given twice", name)
	case values[0] == "":
		p.fail("%s is empty", name)
	}
	return values[0]
}

func (p *parameters) number(name, s string) int {
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		p.fail("the %s behind / is a number from 0", name)
	}
	return n
}

func (p *parameters) duration(name string, def time.Duration) time.Duration {
	s := p.text(name, "")
	if s == "" {
		return def
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 10*time.Millisecond || d > 10*time.Second {
		p.fail("%s is a duration from 10ms to 10s, such as 250ms", name)
	}
	return d
}

// topology says which servers there are and how they belong together.
func (p *parameters) topology(o *rueidis.ClientOption, hosts string) {
	socket, master := p.text("socket", ""), p.text("master", "")
	cluster := p.text("cluster", "false")
	o.Sentinel.Username, o.Sentinel.Password = p.text("sentinel_user", ""), p.text("sentinel_password", "")
	port := defaultPort
	if master != "" {
		port = sentinelPort
	}
	if hosts != "" {
		for host := range strings.SplitSeq(hosts, ",") {
			o.InitAddress = append(o.InitAddress, p.address(host, port))
		}
	}
	switch {
	case cluster != "true" && cluster != "false":
		p.fail("cluster is true or false")
	case socket != "" && (master != "" || cluster == "true" || hosts != ""):
		p.fail("socket names a server by itself: leave out the hosts, master and cluster")
	case socket != "":
		o.InitAddress, o.DialCtxFn, o.ForceSingleClient = []string{socket}, dialSocket, true
	case len(o.InitAddress) == 0:
		p.fail("names no host")
	case master != "" && cluster == "true":
		p.fail("master and cluster exclude each other")
	case master != "":
		o.Sentinel.MasterSet, o.Sentinel.Dialer = master, o.Dialer
	case cluster == "true" && o.SelectDB != 0:
		p.fail("a cluster has no databases to choose from behind /")
	case cluster == "true":
		o.ShuffleInit = true
	case len(o.InitAddress) > 1:
		p.fail("several hosts are sentinels or nodes of a cluster: add master=NAME or cluster=true")
	default:
		o.ForceSingleClient = true
	}
}

func (p *parameters) address(host, port string) string {
	bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if h, given, err := net.SplitHostPort(host); err == nil {
		bare, port = h, given
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || bare == "" || strings.Contains(bare, "]") {
		p.fail("want hosts as host:6379, separated by commas")
	}
	return net.JoinHostPort(bare, port)
}

func (p *parameters) tls() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if file := p.text("ca", ""); file != "" {
		pem, err := os.ReadFile(file)
		if c.RootCAs = x509.NewCertPool(); err != nil || !c.RootCAs.AppendCertsFromPEM(pem) {
			p.fail("ca is a file of certificates in PEM, and %s cannot be read as one", file)
		}
	}
	cert, key := p.text("cert", ""), p.text("key", "")
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			p.fail("cert and key are the files of a certificate and its key in PEM, and cannot be read as that")
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

func (p *parameters) finish() error {
	for name := range p.left {
		switch name {
		case "ca", "cert", "key":
			p.fail("%s belongs to rediss://", name)
		}
		p.fail("%.40q is no parameter; there are prefix, timeout, socket, master, sentinel_user, sentinel_password, cluster, ca, cert and key", name)
	}
	if p.err != nil { // a nil *model.Error is no nil error
		return p.err
	}
	return nil
}
