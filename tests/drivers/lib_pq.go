// Logs in with lib/pq at the URL given, and says what the server tells of the session.
package main

import (
	"database/sql"
	"fmt"
	"os"

	_ "github.com/lib/pq"
)

func main() {
	var version, server string

	database, err := sql.Open("postgres", os.Args[1])
	if err == nil {
		err = database.QueryRow("SELECT version, current_setting('server_version_num') FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&version, &server)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(version, server)
}
