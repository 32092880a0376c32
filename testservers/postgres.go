package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cardseal/cardseal/internal/kmstest"
)

// postgres is the distribution's PostgreSQL. Its fsync is on, so that what a
// test finds after a kill is what a crash would leave; its default collation is
// an ICU one, under which text does not sort byte for byte.
type postgres struct{}

// template is a cluster that nothing runs on; each server begins with a copy.
const template = "postgres-template"

const superuser = "postgres"

func (postgres) build(c *cache) error {
	bin, err := postgresBin()
	if err != nil {
		if bin, err = installPostgres(); err != nil {
			return err
		}
	}
	return c.once(template, []byte(bin), func(path string) error {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
		password := filepath.Join(path, "password")
		if err := writeFile(password, []byte(rand.Text())); err != nil {
			return err
		}
		data := filepath.Join(path, "data")
		if err := ownedByPostgres(data); err != nil {
			return err
		}
		how := asPostgres(filepath.Join(bin, "initdb"), "-D", data, "-U", superuser, "--pwfile", password,
			"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en",
			"--no-sync", "--data-checksums")
		return runIn(path, how.path, how.args...)
	})
}

func installPostgres() (string, error) {
	if os.Geteuid() != 0 {
		return "", errors.New("PostgreSQL 15 or later is not installed: apt-get install postgresql")
	}
	if err := runIn(".", "apt-get", "update", "-q"); err != nil {
		return "", err
	}
	if err := runIn(".", "apt-get", "install", "-qy", "--no-install-recommends", "postgresql"); err != nil {
		return "", err
	}
	return postgresBin()
}

// postgresBin is the folder of the newest PostgreSQL that is installed.
func postgresBin() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	newest, dir := 14, ""
	for _, path := range found {
		bin := filepath.Dir(path)
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(bin))); err == nil && v > newest {
			newest, dir = v, bin
		}
	}
	if dir == "" {
		return "", errors.New("no PostgreSQL is installed")
	}
	return dir, nil
}

// asPostgres runs a program as the user postgres where this one is root, which
// PostgreSQL refuses to be. That user may not enter root's folders, so the
// capability to do so goes with it.
func asPostgres(path string, args ...string) command {
	if os.Geteuid() != 0 {
		return command{path: path, args: args}
	}
	return command{path: "/usr/bin/setpriv", args: append([]string{
		"--reuid=postgres", "--regid=postgres", "--init-groups",
		"--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--", path,
	}, args...)}
}

// ownedByPostgres makes a folder for the user that the server runs as.
func ownedByPostgres(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil || os.Geteuid() != 0 {
		return err
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return os.Chown(dir, uid, gid)
}

func (postgres) command(c *cache, dir, addr string) (command, error) {
	bin, err := postgresBin()
	if err != nil {
		return command{}, err
	}
	password, err := os.ReadFile(c.path(template, "password"))
	if err != nil {
		return command{}, err
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, string(password)), Host: addr, Path: "/postgres", RawQuery: "sslmode=disable"}
	if err := writeFile(filepath.Join(dir, "url"), []byte(u.String())); err != nil {
		return command{}, err
	}
	data := filepath.Join(dir, "data")
	if _, err := os.Stat(data); errors.Is(err, os.ErrNotExist) {
		if err := exec.Command("cp", "-a", c.path(template, "data"), data).Run(); err != nil {
			return command{}, fmt.Errorf("copying the template: %w", err)
		}
	} else if err != nil {
		return command{}, err
	}
	if err := deserted(data); err != nil {
		return command{}, err
	}
	settings := []string{
		"listen_addresses=" + u.Hostname(), "port=" + u.Port(), "unix_socket_directories=",
		"fsync=on", "synchronous_commit=on", "shared_buffers=256MB", "max_connections=300", "max_wal_size=2GB",
	}
	args := []string{"-D", data}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	return asPostgres(filepath.Join(bin, "postgres"), args...), nil
}

// deserted waits until no process works on a folder: the processes of a server
// that was killed end when they notice.
func deserted(data string) error {
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		links, err := filepath.Glob("/proc/[0-9]*/cwd")
		if err != nil {
			return err
		}
		busy := slices.ContainsFunc(links, func(link string) bool {
			at, err := os.Readlink(link)
			return err == nil && at == data
		})
		if !busy {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("processes of an earlier server still work on %s", data)
		}
	}
}

func (postgres) ready(ctx context.Context, dir, _ string) (kmstest.Server, error) {
	address, err := os.ReadFile(filepath.Join(dir, "url"))
	if err != nil {
		return kmstest.Server{}, err
	}
	s := kmstest.Server{URL: string(address)}
	conn, err := pgx.Connect(ctx, s.URL)
	if err != nil {
		return s, err
	}
	return s, errors.Join(conn.Ping(ctx), conn.Close(ctx))
}
