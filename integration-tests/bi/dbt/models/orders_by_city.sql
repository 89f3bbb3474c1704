{{ config(on_view_exists='replace') }}
select city, count(*) as orders, sum(amount) as amount
from {{ ref('recent_orders') }}
group by city
