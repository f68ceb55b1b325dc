// Logs in with pgx at the URL given, and says what the server tells of the session.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v4"
)

func main() {
	var version, server string

	connection, err := pgx.Connect(context.Background(), os.Args[1])
	if err == nil {
		err = connection.QueryRow(context.Background(), "SELECT version, current_setting('server_version_num') FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&version, &server)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(version, server)
}
