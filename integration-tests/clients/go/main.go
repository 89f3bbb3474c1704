// The checks of queries.json by go-sql-driver/mysql: parameters are bound on the server.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

type check struct {
	Name, SQL, Set, Then string
	Parameters           []map[string]*string
}

type checks struct {
	Queries, Prepared, Errors []check
	Slow                      string
}

// A value as the database sends it; the driver makes texts of everything but binary results.
type row []any

type run struct {
	host, port, database, locked, password string
	checks                                 checks
}

var errUnsupported = errors.New("unsupported")

func main() {
	r := run{os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], checks{}}
	text, err := os.ReadFile(os.Args[6])
	must(err)
	must(json.Unmarshal(text, &r.checks))
	r.all()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// One connection, as the other clients have one.
func (r *run) connect(port, password, database string, options map[string]string) (*sql.Conn, error) {
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User, config.Passwd = "tcp", r.host+":"+port, "root", password
	config.DBName, config.MultiStatements = database, true
	config.TLSConfig = options["tls"]
	if options["compress"] != "" {
		must(config.Apply(mysql.EnableCompression(true)))
	}
	connector, err := mysql.NewConnector(config)
	must(err)
	return sql.OpenDB(connector).Conn(context.Background())
}

func (r *run) filled(text string) string {
	return strings.NewReplacer("{slow}", r.checks.Slow, "{database}", r.database).Replace(text)
}

func query(c *sql.Conn, text string, parameters ...any) ([]row, error) {
	found, err := c.QueryContext(context.Background(), text, parameters...)
	if err != nil {
		return nil, err
	}
	return rows(found)
}

func rows(found *sql.Rows) ([]row, error) {
	defer found.Close()
	all := []row{}
	for {
		types, err := found.ColumnTypes()
		if err != nil {
			return nil, err
		}
		for found.Next() {
			values := make([]any, len(types))
			places := make([]any, len(types))
			for i := range values {
				places[i] = &values[i]
			}
			if err := found.Scan(places...); err != nil {
				return nil, err
			}
			for i := range values {
				values[i] = canonical(values[i], types[i].DatabaseTypeName())
			}
			all = append(all, values)
		}
		if !found.NextResultSet() {
			return all, found.Err()
		}
	}
}

func canonical(value any, kind string) any {
	switch value := value.(type) {
	case nil:
		return nil
	case []byte:
		switch kind {
		case "VARBINARY", "BLOB":
			return fmt.Sprintf("0x%X", value)
		case "DATETIME", "TIME":
			return trimmed(string(value))
		}
		return string(value)
	case float32:
		return strconv.FormatFloat(float64(value), 'g', -1, 32)
	case float64:
		return strconv.FormatFloat(value, 'g', -1, 64)
	default:
		return fmt.Sprint(value)
	}
}

func trimmed(text string) string {
	if strings.Contains(text, ".") {
		return strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func parameters(given []map[string]*string) []any {
	all := []any{}
	for _, one := range given {
		for kind, text := range one {
			all = append(all, parameter(kind, text))
		}
	}
	return all
}

func parameter(kind string, text *string) any {
	switch {
	case text == nil:
		return nil
	case kind == "int":
		number, err := strconv.ParseInt(*text, 10, 64)
		must(err)
		return number
	case kind == "double":
		number, err := strconv.ParseFloat(*text, 64)
		must(err)
		return number
	default:
		return *text
	}
}

func say(name string, got []row, err error) {
	answer := map[string]any{"check": name}
	var told *mysql.MySQLError
	switch {
	case errors.Is(err, errUnsupported):
		answer["skipped"] = err.Error()
	case errors.As(err, &told):
		answer["error"] = told.Number
	case err != nil:
		panic(name + ": " + err.Error())
	default:
		answer["rows"] = got
	}
	line, err := json.Marshal(answer)
	must(err)
	fmt.Println(string(line))
}

func (r *run) one(c *sql.Conn, each check) ([]row, error) {
	if each.Set != "" {
		if _, err := query(c, r.filled(each.Set)); err != nil {
			return nil, err
		}
	}
	got, err := query(c, r.filled(each.SQL))
	if each.Then != "" {
		if _, err := query(c, r.filled(each.Then)); err != nil {
			return nil, err
		}
	}
	return got, err
}

func (r *run) all() {
	c, err := r.connect(r.port, "", r.database, nil)
	must(err)
	for _, each := range r.checks.Queries {
		got, err := r.one(c, each)
		say(each.Name, got, err)
	}
	for _, each := range r.checks.Prepared {
		got, err := query(c, each.SQL, parameters(each.Parameters)...)
		say(each.Name, got, err)
	}
	for _, each := range r.checks.Errors {
		got, err := r.one(c, each)
		say(each.Name, got, err)
		got, err = query(c, "SELECT 1")
		say("after "+each.Name, got, err)
	}
	r.session(c)
	r.logins()
}

func (r *run) session(c *sql.Conn) {
	say("ping", []row{}, c.PingContext(context.Background()))
	other, err := r.connect(r.port, "", "", nil)
	must(err)
	_, err = query(other, "USE "+r.database)
	must(err)
	got, err := query(other, "SELECT database()")
	say("use", got, err)
	got, err = query(c, "SELECT 1; SELECT 'two'; SELECT 3")
	say("several statements", got, err)
	got, err = twice(c)
	say("prepared twice", got, err)
	got, err = query(c, "SELECT * FROM nothing WHERE id = ?", 1)
	say("prepare an error", got, err)
	_, _ = query(c, "SELECT * FROM nothing")
	got, err = query(c, "SHOW COUNT(*) WARNINGS")
	say("warnings", got, err)
	compressed, err := r.connect(r.port, "", r.database, map[string]string{"compress": "yes"})
	must(err)
	got, err = query(compressed, "SELECT * FROM types ORDER BY id")
	say("compressed", got, err)
	for _, name := range []string{"cursor", "empty cursor", "cursor left in the middle", "reset"} {
		say(name, nil, errUnsupported)
	}
	got, err = r.kill(c, other)
	say("kill query", got, err)
	got, err = query(c, "SELECT 1")
	say("after kill query", got, err)
	say("query timeout", nil, errUnsupported)
	must(c.Close())
	again, err := r.connect(r.port, "", r.database, nil)
	must(err)
	got, err = query(again, "SELECT 1")
	say("reconnect", got, err)
}

func twice(c *sql.Conn) ([]row, error) {
	statement, err := c.PrepareContext(context.Background(), "SELECT id FROM types WHERE id = ?")
	if err != nil {
		return nil, err
	}
	defer statement.Close()
	all := []row{}
	for _, id := range []int{1, 4} {
		found, err := statement.Query(id)
		if err != nil {
			return nil, err
		}
		got, err := rows(found)
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
	}
	return all, nil
}

// Kills the slow query as soon as another connection sees it run.
func (r *run) kill(c, other *sql.Conn) ([]row, error) {
	// other clients may ask the same at this time
	slow := strings.Replace(r.checks.Slow, "count(*)", fmt.Sprintf("count(*) AS of_%d", os.Getpid()), 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for until := time.Now().Add(10 * time.Second); time.Now().Before(until); {
			processes, err := query(other, "SHOW FULL PROCESSLIST")
			must(err)
			for _, process := range processes {
				if process[7] == slow {
					_, err := query(other, "KILL QUERY "+process[0].(string))
					must(err)
					return
				}
			}
		}
	}()
	got, err := query(c, slow)
	<-done
	return got, err
}

func (r *run) logins() {
	login := func(name, password, database, tls string) {
		c, err := r.connect(r.locked, password, database, map[string]string{"tls": tls})
		if err != nil {
			say(name, nil, err)
			return
		}
		defer c.Close()
		got, err := query(c, "SELECT 1")
		say(name, got, err)
	}
	login("plain login", r.password, "", "false")
	// the certificate of a test is nobody's
	login("TLS login", r.password, "", "skip-verify")
	say("native password", nil, errUnsupported)
	login("wrong password", "wrong", "", "false")
	login("wrong password, TLS", "wrong", "", "skip-verify")
	login("no password", "", "", "false")
	login("unknown database at login", r.password, "nowhere.nothing", "false")
}
